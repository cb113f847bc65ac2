"""What to do about a system call that failed in a step, or in the clone."""

from __future__ import annotations

import errno

from labkit.errors import LabkitError

_ROOT = {
    errno.ENOENT: "give an existing folder with --rootfs, or an image with --image",
    errno.ENOTDIR: "the root filesystem is a folder; an archive must be unpacked first",
    errno.EACCES: "every folder on the way must be searchable by you, or run as root",
}
_ANY = {
    errno.ENOSPC: "the disk, or the tmpfs behind it, is full: make room, for example with: labkit image rm --all",
    errno.EROFS: "the root filesystem is read-only and lacks this place; make the folder in the image",
    errno.EMFILE: "too many open files: raise the limit with ulimit -n, or run fewer containers at once",
    errno.ENOMEM: "the host, or the caller's own cgroup, is out of memory",
}
_CLONE_HINTS = {
    errno.EMFILE: "too many open files: raise the limit with ulimit -n, or run fewer containers at once",
    errno.EAGAIN: "too many processes: see ulimit -u, and pids.max of the caller's own cgroup",
    errno.ENOSPC: "too many namespaces; see: sysctl user",
    errno.ENOMEM: "the host, or the caller's own cgroup, is out of memory",
}
_RESTRICTED = "this host restricts user namespaces; see: sysctl kernel.apparmor_restrict_unprivileged_userns"


def hint(step: str, number: int | None) -> str:
    """The hint for the errno `number` of the step `step`; "" where the kernel's own words must do."""
    if step in ("BindRoot", "OverlayRoot", "UseRoot") and number in _ROOT:
        return _ROOT[number]
    if number == errno.EPERM and step == "BindRoot":
        return "it takes CAP_SYS_ADMIN in the user namespace that owns the mount namespace of labkit itself"
    if number == errno.EACCES and step == "OpenRoot":
        return "without privilege over the host, as in a user namespace, every folder on the way must be searchable"
    if number == errno.EPERM and step == "MountFilesystem":
        return "inside another container /proc and /sys may be masked, which forbids mounting them anew"
    if number in (errno.EPERM, errno.EACCES) and step in ("SetHostname", "LoopbackUp", "PrivateMounts", "SlaveMounts"):
        return _RESTRICTED
    if number == errno.EPERM and step == "SetScheduler":
        return "real-time needs CAP_SYS_NICE, and with CONFIG_RT_GROUP_SCHED a budget in the cgroup: cpu.rt_runtime_us"
    if number == errno.EINVAL and step == "BindMount":
        return "a user namespace must show what is mounted below a folder as well: use rbind (mount_namespaces(7))"
    if number == errno.EINVAL and step == "IdmapSource":
        return "not every filesystem can show other owners, and none that does so already (mount_setattr(2))"
    if number == errno.EINVAL and step == "SetMemoryPolicy":
        return "the memory nodes are those of the host and of the cpuset; see: cat /sys/devices/system/node/has_memory"
    if number == errno.ENODEV and step == "MountFilesystem":
        return "this kernel has no such filesystem; see: cat /proc/filesystems"
    if number == errno.EPERM and step in ("IdmapSource", "MoveInterface"):
        return "it takes privilege over what is the host's: run as root"
    if number == errno.ENOENT and step == "MoveInterface":
        return "see: ip link"
    if number == errno.EEXIST and step == "MoveInterface":
        return "give it another with /linux/netDevices/NAME/name"
    if number == errno.EPERM and step in ("JoinNamespace", "JoinMountNamespace"):
        return "to join a namespace takes CAP_SYS_ADMIN in the user namespace that owns it (setns(2))"
    if number == errno.ENOENT and step == "WriteSysctl":
        return "this kernel, or this namespace of it, has no such parameter; see: sysctl --all"
    if number == errno.EINVAL and step == "WriteCgroup":
        return "the kernel does not take this value; see cgroups(7)"
    return _ANY.get(number or 0, "")


def explain_clone_error(error: OSError, rootless: bool) -> LabkitError:
    """A refused clone in words: the usual causes are sysctls and a missing privilege."""
    if error.errno in (errno.EPERM, errno.ENOSPC, errno.EUSERS) and rootless:
        return LabkitError(
            f"this host lets no ordinary user make a user namespace ({error.strerror})",
            "run as root, or see: sysctl kernel.unprivileged_userns_clone user.max_user_namespaces "
            "kernel.apparmor_restrict_unprivileged_userns",
        )
    if error.errno == errno.EPERM:
        return LabkitError("namespaces need CAP_SYS_ADMIN", "run as root, or let labkit make a user namespace")
    advice = _CLONE_HINTS.get(error.errno or 0, "labkit doctor shows what this kernel has")
    return LabkitError(f"the kernel refuses to clone the container's process: {error.strerror}", advice)

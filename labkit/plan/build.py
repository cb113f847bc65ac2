"""The child's steps for a configuration: a pure function of the specification and the host's facts.

The order is the container's construction, and every place in it has its reason: names first, then the file tree from
the root down, then the root itself, then privileges from the last needed to the first given up, the program last.
"""

from __future__ import annotations

import errno

from labkit.errors import LabkitError, SpecError
from labkit.linux import capabilities
from labkit.linux.mount import MOUNT_ATTR_RDONLY
from labkit.plan import devices, mounts, process, propagation, scheduling
from labkit.plan.copyup import MountCopy
from labkit.plan.facts import Facts
from labkit.plan.options import Options
from labkit.plan.step import Step
from labkit.plan.sysctl import WriteSysctl
from labkit.spec.model import CapabilitySets, Device, IdMapping, Mount, Spec
from labkit.spec.sysctl import sysctl_path

# An annotation because config.json has no word for it: the root is an image that must stay as it is.
OVERLAY_ANNOTATION = "dev.labkit.root.overlay"

_CLONE_HINTS = {
    errno.EMFILE: "too many open files: raise the limit with ulimit -n, or run fewer containers at once",
    errno.EAGAIN: "too many processes: see ulimit -u, and pids.max of the caller's own cgroup",
    errno.ENOSPC: "too many namespaces; see: sysctl user",
    errno.ENOMEM: "the host, or the caller's own cgroup, is out of memory",
}

# What the child waits for, in the words of both AwaitParent and Release.
IDS_MAPPED = "its ids are mapped"

# Documentation/admin-guide/devices.txt; the specification's default devices (config-linux.md).
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
)


def kinds(spec: Spec) -> tuple[str, ...]:
    """The kinds of namespace the configuration asks for."""
    return tuple(namespace.kind for namespace in spec.linux.namespaces)


def new_kinds(spec: Spec) -> tuple[str, ...]:
    """Those of them that are made anew and not joined by path."""
    return tuple(namespace.kind for namespace in spec.linux.namespaces if not namespace.path)


def clone_kinds(spec: Spec) -> tuple[str, ...]:
    """Those of the new ones that clone3 makes: all but the cgroup namespace, and a time namespace with offsets."""
    left = {"cgroup"} | ({"time"} if spec.linux.time_offsets else set())
    return tuple(kind for kind in new_kinds(spec) if kind not in left)


def child_steps(
    spec: Spec,
    facts: Facts,
    scratch: str,
    seccomp: tuple[str, bytes] | None,
    notes: list[str],
    joins: tuple[Step, ...] = (),
) -> tuple[Step, ...]:
    """The ordered steps of the new process; what the host cannot give is added to `notes`.

    `scratch` is a folder on the host to build an overlay on; `seccomp` is the filter's name and its BPF program;
    `joins` are the steps by which it enters its cgroups.
    """
    has = new_kinds(spec)
    rootless = "user" in has
    # Before anything is made, so that it counts; and while the ids are still those of the cgroups' maker.
    steps: list[Step] = [process.NewSession(), *joins]
    if "cgroup" in has:
        steps.append(process.EnterCgroupNamespace())
    # Before BecomeRoot: a process whose ids changed may no longer write its own /proc/self (proc(5), dumpable).
    if spec.linux.time_offsets:
        steps.append(process.EnterTimeNamespace(_offsets(spec)))
    if spec.process.oom_score_adj is not None:
        steps.append(process.SetOomScore(spec.process.oom_score_adj))
    if rootless:
        steps.append(mounts.OpenRoot(spec.root.path))
        steps += [process.AwaitParent(IDS_MAPPED), process.BecomeRoot()]
    if spec.hostname or spec.domainname:
        steps.append(process.SetHostname(spec.domainname, spec.hostname))
    if "network" in has:
        steps.append(process.LoopbackUp())
    steps += _isolate(spec, scratch)
    if spec.annotations.get(OVERLAY_ANNOTATION) == "tmpfs":
        steps.append(mounts.OverlayRoot(spec.root.path, rootless, scratch))
    else:
        steps.append(mounts.UseRoot(spec.root.path))
    for index, mount in enumerate(spec.mounts):
        made = _mount(mount, f"/mounts/{index}", spec, facts, notes)
        steps += made
        steps += [propagation.SetPropagation(_absolute(mount), kind) for kind in _propagation(mount, spec)]
        # A /dev that is the host's has its own nodes.
        if mount.destination.rstrip("/") == "/dev" and not isinstance(made[0], mounts.BindMount):
            steps += _default_devices(rootless, {device.path for device in spec.linux.devices})
    for device in spec.linux.devices:
        steps += _device(device, spec, rootless, notes)
    # Before the paths where they lie become read-only.
    if spec.linux.sysctl:
        # A user namespace may mount a procfs only for a pid namespace that it owns.
        steps.append(WriteSysctl(not rootless or "pid" in has, _settings(spec)))
    steps += [mounts.MaskPath(path) for path in spec.linux.masked_paths]
    steps += [mounts.ReadonlyPath(path) for path in spec.linux.readonly_paths]
    if spec.root.readonly:
        steps.append(mounts.RemountReadonly("/"))
    steps.append(mounts.PivotRoot())
    # The mount that is the root has been private all the time.
    if spec.linux.rootfs_propagation not in ("", "private"):
        steps.append(propagation.SetRootPropagation(spec.linux.rootfs_propagation))
    return tuple(steps) + _become(spec, facts, seccomp, notes)


def _isolate(spec: Spec, scratch: str) -> list[Step]:
    """How far the new mount namespace is cut off from the one it was copied from, before anything is mounted."""
    wanted = {spec.linux.rootfs_propagation.removeprefix("r")}
    if "shared" in wanted:
        overlay = spec.annotations.get(OVERLAY_ANNOTATION) == "tmpfs"
        return [propagation.PrivateParent(scratch if overlay else spec.root.path)]
    wanted |= {kind.removeprefix("r") for mount in spec.mounts for kind in Options(mount.options).propagation}
    return [propagation.SlaveMounts() if wanted & {"slave", "shared"} else propagation.PrivateMounts()]


def _propagation(mount: Mount, spec: Spec) -> tuple[str, ...]:
    asked = Options(mount.options).propagation
    # As crun: a bind mount that says nothing is private, whatever the mount that it shows is.
    if not asked and _binds(mount) and not isinstance(_isolate(spec, "")[0], propagation.PrivateMounts):
        return ("rprivate",)
    return asked


def _absolute(mount: Mount) -> str:
    return "/" + mount.destination.strip("/")


def _offsets(spec: Spec) -> str:
    lines = [f"{clock} {offset.secs} {offset.nanosecs}" for clock, offset in sorted(spec.linux.time_offsets.items())]
    return "\n".join(lines)


def _mount(mount: Mount, pointer: str, spec: Spec, facts: Facts, notes: list[str]) -> list[Step]:
    options = Options(mount.options)
    destination = _absolute(mount)
    if options.bind or mount.kind == "bind":
        if options.copy_up:
            raise SpecError(f"{pointer}/options", "tmpcopyup is for a tmpfs only")
        if options.data:
            raise SpecError(f"{pointer}/options", f"{options.data[0]!r} is no option of a bind mount")
        if not mount.source:
            raise SpecError(f"{pointer}/source", "must name what a bind mount shows")
        recursive = options.recursive or not options.bind
        return [
            mounts.BindMount(options.add, options.deep, destination, recursive, options.remove, mount.source),
        ]
    if not mount.kind:
        raise SpecError(f"{pointer}/type", "must name a filesystem unless options has bind or rbind")
    if options.copy_up and mount.kind != "tmpfs":
        raise SpecError(f"{pointer}/options", "tmpcopyup is for a tmpfs only")
    has = new_kinds(spec)
    if mount.kind == "cgroup":
        if "cgroup" not in kinds(spec) and not options.add & MOUNT_ATTR_RDONLY:
            # Without a namespace of its own it sees the host's cgroups, and could change them (release_agent).
            notes.append(f"{destination} is read-only: there is no cgroup namespace")
            options.add |= MOUNT_ATTR_RDONLY
        return _cgroup_mounts(destination, options, facts)
    if mount.kind == "proc" and "user" in has and "pid" not in has:
        # procfs shows a pid namespace; mounting it anew needs one that the user namespace owns.
        return [mounts.BindMount(options.add, False, destination, True, 0, "/proc")]
    if mount.kind == "sysfs" and "user" in has and "network" not in has:
        # sysfs shows a network namespace; mounting it anew needs one that the user namespace owns.
        return [mounts.BindMount(options.add, False, destination, True, 0, "/sys")]
    data = options.data
    if "user" in has:
        data = tuple(option for option in data if not _unmapped_gid(option, spec.linux.gid_mappings))
    if options.copy_up:
        return [MountCopy(options.add, destination, data, mount.source or "tmpfs")]
    return [mounts.MountFilesystem(options.add, destination, mount.kind, data, mount.source or mount.kind)]


def _unmapped_gid(option: str, maps: tuple[IdMapping, ...]) -> bool:
    """Whether an option such as devpts' gid=5 names a group that the user namespace does not have."""
    key, _, value = option.partition("=")
    return key == "gid" and value.isdigit() and host_id(int(value), maps) is None


def host_id(container_id: int, maps: tuple[IdMapping, ...]) -> int | None:
    """The id outside of an id inside, or None where the maps have none."""
    for line in maps:
        if line.container_id <= container_id < line.container_id + line.size:
            return line.host_id + container_id - line.container_id
    return None


def _cgroup_mounts(destination: str, options: Options, facts: Facts) -> list[Step]:
    steps: list[Step] = []
    if not any(folder == "" for folder, _, _ in facts.cgroup_mounts):
        steps.append(
            mounts.MountFilesystem(options.add & ~MOUNT_ATTR_RDONLY, destination, "tmpfs", ("mode=755",), "tmpfs")
        )
    for folder, filesystem, data in facts.cgroup_mounts:
        place = f"{destination}/{folder}" if folder else destination
        steps.append(mounts.MountFilesystem(options.add, place, filesystem, data, "cgroup"))
    if options.add & MOUNT_ATTR_RDONLY and isinstance(steps[0], mounts.MountFilesystem) and len(steps) > 1:
        steps.append(mounts.RemountReadonly(destination))
    return steps


def _default_devices(rootless: bool, others: set[str]) -> list[Step]:
    # A user namespace may not make device nodes; the host's are bound in instead.
    steps: list[Step] = [
        mounts.BindMount(0, False, f"/dev/{name}", False, 0, f"/dev/{name}")
        if rootless
        else devices.MakeDevice(0, "c", major, minor, 0o666, f"/dev/{name}", 0)
        for name, major, minor in DEVICES
        if f"/dev/{name}" not in others
    ]
    return steps + [devices.MakeSymlink(path, target) for path, target in LINKS]


def _device(device: Device, spec: Spec, rootless: bool, notes: list[str]) -> list[Step]:
    mounted = [m for m in spec.mounts if m.destination.rstrip("/") == "/dev" and _binds(m)]
    if mounted and device.path.startswith("/dev/"):
        notes.append(f"{device.path} is not made: /dev is bound from the host, and it would be made there")
        return []
    if rootless and device.kind != "p":
        notes.append(f"{device.path} is the host's, with its owner and mode: a user namespace may not make devices")
        return [mounts.BindMount(0, False, device.path, False, 0, device.path)]
    major, minor, mode = device.major or 0, device.minor or 0, device.mode & 0o7777
    return [devices.MakeDevice(device.gid, device.kind, major, minor, mode, device.path, device.uid)]


def _binds(mount: Mount) -> bool:
    return mount.kind == "bind" or Options(mount.options).bind


def _settings(spec: Spec) -> tuple[tuple[str, str], ...]:
    return tuple((sysctl_path(name), value) for name, value in spec.linux.sysctl.items())


def _become(spec: Spec, facts: Facts, seccomp: tuple[str, bytes] | None, notes: list[str]) -> tuple[Step, ...]:
    wanted = spec.process
    steps: list[Step] = [process.SetRlimit(limit.hard, limit.kind, limit.soft) for limit in wanted.rlimits]
    if spec.linux.personality:
        steps.append(scheduling.SetPersonality(spec.linux.personality.domain))
    if wanted.io_priority:
        steps.append(scheduling.SetIoPriority(wanted.io_priority.kind, wanted.io_priority.priority))
    if wanted.scheduler:
        values = wanted.scheduler
        steps.append(scheduling.SetScheduler(*(getattr(values, name) for name in scheduling.SetScheduler.__slots__)))
    # Without no_new_privs only CAP_SYS_ADMIN may load a filter, so it must go before the capabilities do.
    if seccomp and not wanted.no_new_privileges:
        steps.append(process.LoadSeccomp(*seccomp))
    bits = _capability_masks(wanted.capabilities, facts, "user" in kinds(spec), notes)
    steps.append(process.DropBounding(bits["bounding"], facts.last_capability))
    steps.append(_set_user(spec, facts, notes))
    steps.append(process.SetCapabilities(bits["ambient"], bits["effective"], bits["inheritable"], bits["permitted"]))
    steps.append(process.EnterFolder(wanted.cwd))
    if wanted.no_new_privileges:
        steps.append(process.NoNewPrivileges())
    steps += [process.DieWithParent(), process.CloseDescriptors()]
    if seccomp and wanted.no_new_privileges:
        steps.append(process.LoadSeccomp(*seccomp))
    steps.append(process.Execute(wanted.args, wanted.env))
    return tuple(steps)


def _set_user(spec: Spec, facts: Facts, notes: list[str]) -> Step:
    user = spec.process.user
    groups: tuple[int, ...] | None = user.additional_gids
    umask = 0o022 if user.umask is None else user.umask
    if "user" not in kinds(spec):
        return process.SetUser(user.gid, groups, user.uid, umask)
    for what, number, maps in (("uid", user.uid, spec.linux.uid_mappings), ("gid", user.gid, spec.linux.gid_mappings)):
        if host_id(number, maps) is None:
            raise SpecError(
                f"/process/user/{what}",
                f"{number} is not in the user namespace's map",
                "an ordinary user has one id to map: run as user 0 inside, or as root outside",
            )
    if setgroups_denied(facts):
        if groups:
            raise SpecError("/process/user/additionalGids", "an ordinary user's namespace cannot set groups")
        notes.append("the caller's supplementary groups stay: without privilege setgroups(2) must be denied")
        groups = None
    return process.SetUser(user.gid, groups, user.uid, umask)


def setgroups_denied(facts: Facts) -> bool:
    """Whether writing the gid map needs setgroups denied first: the caller lacks CAP_SETGID (user_namespaces(7))."""
    return not facts.permitted >> capabilities.NUMBERS["CAP_SETGID"] & 1


def _capability_masks(
    wanted: CapabilitySets | None, facts: Facts, user_namespace: bool, notes: list[str]
) -> dict[str, int]:
    if wanted is None:
        # As runc and crun: who names none gets none.
        wanted = CapabilitySets()
    known = (1 << facts.last_capability + 1) - 1
    # A new user namespace gives its first process every capability in it.
    possible = known if user_namespace else facts.permitted & known
    bits = {}
    for name in capabilities.SETS:
        names: tuple[str, ...] = getattr(wanted, name)
        unknown = [item for item in names if item not in capabilities.NUMBERS]
        if unknown:
            raise SpecError(
                f"/process/capabilities/{name}",
                f"{unknown[0]!r} is not a capability",
                "capabilities(7) lists them, as CAP_NET_ADMIN",
            )
        asked = capabilities.mask(names)
        if asked & ~possible:
            # The specification asks for a warning here, not for an error (config.md, capabilities).
            missing = ", ".join(capabilities.names(asked & ~possible))
            notes.append(f"{name} capabilities that this host cannot grant are left out: {missing}")
        bits[name] = asked & possible
    if bits["effective"] & ~bits["permitted"]:
        raise SpecError("/process/capabilities/effective", "must be among the permitted")
    # `runc spec` itself writes ambient capabilities that are not inheritable, which the kernel refuses.
    impossible = bits["ambient"] & ~(bits["permitted"] & bits["inheritable"])
    if impossible:
        notes.append(f"not inheritable, so not ambient either: {', '.join(capabilities.names(impossible))}")
    bits["ambient"] &= ~impossible
    return bits


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

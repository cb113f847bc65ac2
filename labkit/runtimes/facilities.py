"""The kernel facilities and programs that the laboratory uses, each asked for its state on this host."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator

from labkit.cgroups.detect import detect
from labkit.linux import capabilities
from labkit.linux.libc import MACHINE, NUMBERS, syscall
from labkit.linux.namespaces import NAMESPACES, supported
from labkit.runtimes.finding import Finding

# The v1 or v2 controllers that the default limits need.
_CONTROLLERS = ("memory", "cpu", "pids", "cpuset", "devices")
_KERNEL = "a newer kernel"

# System call -> the arguments that make a kernel that has it answer something else than ENOSYS, and its first version.
_SYSCALLS = {
    "clone3": ((0, 0), "5.3"),
    "openat2": ((-1, b"", None, 0), "5.6"),
    "pidfd_open": ((0, 0), "5.3"),
    "fsopen": ((b"", 0), "5.2"),
    "close_range": ((1, 0, 0), "5.9"),
    "mount_setattr": ((-1, b"", 0, None, 0), "5.12"),
}
_PROGRAMS = {
    "mmdebstrap": ("mmdebstrap", "builds the debian images"),
    "busybox": ("busybox-static", "is the busybox image"),
    "nft": ("nftables", "gives containers on a bridge their way out and their ports"),
    "slirp4netns": ("slirp4netns", "is the network of an ordinary user's containers"),
    "pasta": ("passt", "is so too"),
    "newuidmap": ("uidmap", "maps the ids that /etc/subuid gives to an ordinary user"),
    "bwrap": ("bubblewrap", "is compared with in make bench"),
    "skopeo": ("skopeo", "copies OCI images"),
    "umoci": ("umoci", "unpacks OCI images"),
}


def examine() -> Iterator[Finding]:
    """Every facility, then every program."""
    for name in NAMESPACES:
        yield _yes("facility", f"{name} namespace", supported(name), "this kernel was built without it", _KERNEL)
    yield _user_namespaces()
    yield from _cgroups()
    yield _seccomp()
    yield _libseccomp()
    yield _overlay()
    yield _capabilities()
    for name, (arguments, since) in _SYSCALLS.items():
        yield _yes("facility", f"{name}(2)", _has(name, arguments), f"not in this kernel: since Linux {since}", _KERNEL)
    yield _kvm()
    for name, (package, why) in _PROGRAMS.items():
        path = shutil.which(name)
        yield _yes("program", name, path is not None, f"not installed; it {why}", f"sudo apt-get install {package}")


def _yes(kind: str, name: str, available: bool, reason: str, remedy: str, version: str = "") -> Finding:
    return Finding(kind, name, True, version) if available else Finding(kind, name, False, version, reason, remedy)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def _user_namespaces() -> Finding:
    """For ordinary users: the sysctls that distributions set against them."""
    name, version = "user namespaces for ordinary users", ""
    for path, bad in (
        ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("/proc/sys/user/max_user_namespaces", "0"),
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
    ):
        if _read(path) == bad:
            sysctl = path.removeprefix("/proc/sys/").replace("/", ".")
            other = "1" if bad == "0" else "0"
            if sysctl.startswith("user."):
                other = "10000"
            return Finding("facility", name, False, version, f"{sysctl} is {bad}", f"sudo sysctl {sysctl}={other}")
    return Finding("facility", name, True, version)


def _cgroups() -> Iterator[Finding]:
    layout = detect()
    if layout.mode == "none":
        yield Finding(
            "facility", "cgroups", False, "", "no cgroup tree is mounted", "mount -t cgroup2 none /sys/fs/cgroup"
        )
        return
    yield Finding("facility", "cgroups", True, layout.mode)
    for controller in _CONTROLLERS:
        hierarchy = layout.of(controller)
        name = f"{controller} controller"
        if hierarchy is None and controller == "devices" and layout.mode == "v2":
            # On v2 there is no such controller: an eBPF program does its work.
            continue
        if hierarchy is None:
            yield Finding("facility", name, False, "", "in no mounted tree", f"boot with cgroup_enable={controller}")
        elif not os.access(hierarchy.path, os.W_OK):
            # systemd delegates to users on v2 only.
            remedy = "run as root"
            if hierarchy.version == 2:
                remedy += ", or: systemd-run --user --scope -p Delegate=yes labkit …"
            yield Finding("facility", name, False, f"v{hierarchy.version}", "not delegated to this user", remedy)
        else:
            yield Finding("facility", name, True, f"v{hierarchy.version}")


def _seccomp() -> Finding:
    actions = _read("/proc/sys/kernel/seccomp/actions_avail")
    return _yes("facility", "seccomp filter", actions is not None, "this kernel was built without it", _KERNEL)


def _libseccomp() -> Finding:
    class Version(ctypes.Structure):
        _fields_ = tuple((part, ctypes.c_uint) for part in ("major", "minor", "micro"))

    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return Finding("facility", "libseccomp", False, "", "not installed", "sudo apt-get install libseccomp2")
    library.seccomp_version.restype = ctypes.POINTER(Version)
    found = library.seccomp_version().contents
    return Finding("facility", "libseccomp", True, f"{found.major}.{found.minor}.{found.micro}")


def _overlay() -> Finding:
    there = "overlay" in (_read("/proc/filesystems") or "").split()
    return _yes("facility", "overlay filesystem", there, "not in /proc/filesystems", "sudo modprobe overlay")


def _capabilities() -> Finding:
    held = capabilities.read_sets()["effective"]
    wanted = 1 << capabilities.NUMBERS["CAP_SYS_ADMIN"]
    reason = "no CAP_SYS_ADMIN: only the mechanisms that a user namespace gives can be shown, and no cold starts"
    return _yes("facility", "privilege", bool(held & wanted), reason, "run as root")


def _has(name: str, arguments: tuple[int | bytes | None, ...]) -> bool:
    if name not in NUMBERS:
        return False
    try:
        syscall(name, *arguments)
    except OSError as error:
        return error.errno != errno.ENOSYS
    return True


def _kvm() -> Finding:
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Finding("facility", "/dev/kvm", True, "opens")
    there = os.path.exists("/dev/kvm")
    reason = (
        "not accessible to this user" if there else f"there is none: no hardware virtualisation on this {MACHINE} host"
    )
    remedy = (
        "sudo adduser $USER kvm" if there else "enable it in the firmware, or nested virtualisation in the hypervisor"
    )
    return Finding("facility", "/dev/kvm", False, "", reason, remedy)

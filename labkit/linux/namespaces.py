"""Namespaces: clone3(2), unshare(2), setns(2); namespaces(7)."""

from __future__ import annotations

import ctypes
import errno
import os

from labkit.linux.libc import syscall

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

CLONE_PIDFD = 0x00001000
CLONE_INTO_CGROUP = 0x2_0000_0000

# The names of config.json (runtime-spec, config-linux.md#namespaces) with their flags and /proc/PID/ns entries.
NAMESPACES = {
    "mount": (CLONE_NEWNS, "mnt"),
    "pid": (CLONE_NEWPID, "pid"),
    "network": (CLONE_NEWNET, "net"),
    "ipc": (CLONE_NEWIPC, "ipc"),
    "uts": (CLONE_NEWUTS, "uts"),
    "user": (CLONE_NEWUSER, "user"),
    "cgroup": (CLONE_NEWCGROUP, "cgroup"),
    "time": (CLONE_NEWTIME, "time"),
}

SIGCHLD = 17

# ioctl_nsfs(2), Linux 4.11.
NS_GET_NSTYPE = 0xB703


class CloneArgs(ctypes.Structure):
    """struct clone_args of clone3(2), its second version (88 bytes, with the cgroup field)."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("pidfd", ctypes.c_uint64),
        ("child_tid", ctypes.c_uint64),
        ("parent_tid", ctypes.c_uint64),
        ("exit_signal", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("stack_size", ctypes.c_uint64),
        ("tls", ctypes.c_uint64),
        ("set_tid", ctypes.c_uint64),
        ("set_tid_size", ctypes.c_uint64),
        ("cgroup", ctypes.c_uint64),
    )


def clone3(flags: int, cgroup: int | None = None) -> tuple[int, int]:
    """Clone this single-threaded process into new namespaces, and into the v2 cgroup of descriptor `cgroup`.

    Returns (pid, pidfd) in the parent and (0, -1) in the child. The child has a copy of the interpreter and of
    nothing else: a caller with several threads must not use this, since their locks would be copied as they stand.
    """
    pidfd = ctypes.c_int(-1)
    arguments = CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=SIGCHLD)
    if cgroup is not None:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup
    pid = syscall("clone3", arguments, ctypes.sizeof(arguments))
    if pid:
        # The kernel makes a pidfd close-on-exec (clone(2), CLONE_PIDFD).
        return pid, pidfd.value
    return 0, -1


def unshare(flags: int) -> None:
    """Move the calling process into new namespaces (unshare(2))."""
    syscall("unshare", flags)


def setns(descriptor: int, kind: int = 0) -> None:
    """Join the namespace that `descriptor` refers to (setns(2))."""
    syscall("setns", descriptor, kind)


def open_namespace(path: str, kind: str) -> int:
    """A descriptor of the namespace `path`, checked to be of `kind` (a key of NAMESPACES)."""
    # Without O_NONBLOCK a fifo at this path would never be opened.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = syscall("ioctl", descriptor, NS_GET_NSTYPE)
    except OSError:
        found = 0  # No file of nsfs has this ioctl.
    if found != NAMESPACES[kind][0]:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"is no {kind} namespace", path)
    return descriptor


def enter_time_namespace(offsets: str) -> None:
    """Make a time namespace with `offsets` (lines of `clock seconds nanoseconds`) and enter it.

    Offsets can be written only while the namespace has no member (time_namespaces(7)). A process that unshares is
    not yet a member, its children would be; joining by setns spares the additional fork.
    """
    unshare(CLONE_NEWTIME)
    descriptor = os.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, offsets.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, "/proc/self/timens_offsets") from error
    finally:
        os.close(descriptor)
    descriptor = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(descriptor, CLONE_NEWTIME)
    finally:
        os.close(descriptor)


def supported(name: str) -> bool:
    """Whether this kernel has namespaces of the kind `name` (a key of NAMESPACES)."""
    try:
        os.stat(f"/proc/self/ns/{NAMESPACES[name][1]}")
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True

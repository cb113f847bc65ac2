"""Namespaces: clone3(2), unshare(2), setns(2); namespaces(7)."""

from __future__ import annotations

import errno
import sys
from _ctypes import addressof
from _socket import AF_UNIX, CMSG_LEN, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_SEQPACKET, SOL_SOCKET, socketpair
from _struct import pack

from labkit.linux import os
from labkit.linux.libc import Int, syscall
from labkit.linux.proc import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
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
MSG_CMSG_CLOEXEC = 0x40000000

# ioctl_nsfs(2), Linux 4.11.
NS_GET_NSTYPE = 0xB703


# struct clone_args of clone3(2), its second version: flags, pidfd, child_tid, parent_tid, exit_signal, stack,
# stack_size, tls, set_tid, set_tid_size, cgroup.
CLONE_ARGS = "=11Q"


def clone3(flags: int, cgroup: int | None = None) -> tuple[int, int]:
    """Clone this single-threaded process into new namespaces, and into the v2 cgroup of descriptor `cgroup`.

    Returns (pid, pidfd) in the parent and (0, -1) in the child. The child has a copy of the interpreter and of
    nothing else: a caller with several threads must not use this, since their locks would be copied as they stand.
    """
    pidfd = Int(-1)
    # With CLONE_PARENT the signal is the one that the caller itself ends with.
    exit_signal = 0 if flags & CLONE_PARENT else SIGCHLD
    flags |= CLONE_PIDFD | (0 if cgroup is None else CLONE_INTO_CGROUP)
    arguments = pack(CLONE_ARGS, flags, addressof(pidfd), 0, 0, exit_signal, 0, 0, 0, 0, 0, cgroup or 0)
    pid = syscall("clone3", arguments, len(arguments))
    if pid:
        # The kernel makes a pidfd close-on-exec (clone(2), CLONE_PIDFD).
        return pid, pidfd.value
    return 0, -1


def clone_in_user_namespace(
    user_namespace: int,
    flags: int,
    cgroup: int | None = None,
    pid_namespace: int | None = None,
    network_namespace: int | None = None,
) -> tuple[int, int]:
    """As clone3, from within the user namespace of a descriptor, which then owns the new namespaces.

    With `pid_namespace` the new process gets its number from that one, and with `network_namespace` it begins in that
    one, either of which the user namespace owns.
    A process between the two joins it, which no process that wants to come back could, and clones a child that is not
    its own but the caller's (CLONE_PARENT).
    """
    ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    between, between_pidfd = clone3(0)
    if between == 0:
        try:
            setns(user_namespace, CLONE_NEWUSER)
            if pid_namespace is not None:
                setns(pid_namespace, CLONE_NEWPID)
            if network_namespace is not None:
                setns(network_namespace, CLONE_NEWNET)
            pid, pidfd = clone3(flags | CLONE_PARENT, cgroup)
        except OSError as error:
            theirs.send(str(error.errno).encode())
            os._exit(1)
        if pid == 0:
            ours.close()
            theirs.close()
            return 0, -1
        theirs.sendmsg([b"0"], [(SOL_SOCKET, SCM_RIGHTS, pidfd.to_bytes(4, sys.byteorder))])
        os._exit(0)
    theirs.close()
    try:
        answer, ancillary, _, _ = ours.recvmsg(16, CMSG_LEN(4), MSG_CMSG_CLOEXEC)
    finally:
        ours.close()
        os.waitid(os.P_PIDFD, between_pidfd, os.WEXITED)
        os.close(between_pidfd)
    number = int(answer or errno.ESRCH)
    if number:
        raise OSError(number, os.strerror(number), "the user namespace joined")
    pidfd = int.from_bytes(ancillary[0][2], sys.byteorder)
    # Its pid as the caller sees it: the other one may be in another pid namespace.
    about = read_file(f"/proc/self/fdinfo/{pidfd}")
    return next(int(line[4:]) for line in about.splitlines() if line.startswith("Pid:")), pidfd


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


def in_network(path: str, act: Callable[[], T]) -> T:
    """What `act` returns in the network namespace of the file `path`; this thread is in its own before and after."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = open_namespace(path, "network")
        try:
            setns(there, CLONE_NEWNET)
        finally:
            os.close(there)
        try:
            return act()
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


def make_user_namespace(uid_map: str, gid_map: str) -> int:
    """A descriptor of a new user namespace with these maps and no process in it (user_namespaces(7))."""
    waits, goes = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = clone3(CLONE_NEWUSER)
    if pid == 0:
        os.close(goes)
        os.read(waits, 1)
        os._exit(0)
    try:
        for name, text in (("uid_map", uid_map), ("gid_map", gid_map)):
            write_file(f"/proc/{pid}/{name}", text)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        # The end of file ends it.
        os.close(goes)
        os.close(waits)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
        os.close(pidfd)


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

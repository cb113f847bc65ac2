"""Attributes of the calling process: identity, limits, names, signals."""

from __future__ import annotations

import _signal
import ctypes
import os
from _socket import AF_INET, SOCK_CLOEXEC, SOCK_DGRAM
from _socket import socket as _socket

from labkit.linux.libc import syscall

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLOSE_RANGE_CLOEXEC = 4

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1

# getrlimit(2); the numbers are those of the generic ABI, which x86-64 and arm64 share.
RLIMITS = {
    f"RLIMIT_{name}": number
    for number, name in enumerate(
        "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME".split()
    )
}


class _Rlimit(ctypes.Structure):
    """struct rlimit64 of prlimit(2)."""

    _fields_ = (("soft", ctypes.c_uint64), ("hard", ctypes.c_uint64))


class _InterfaceRequest(ctypes.Structure):
    """struct ifreq of netdevice(7), with the flags of its union and the rest as padding."""

    _fields_ = (("name", ctypes.c_char * 16), ("flags", ctypes.c_ushort), ("_rest", ctypes.c_char * 22))


def set_no_new_privs() -> None:
    """No execve grants privileges any more (PR_SET_NO_NEW_PRIVS)."""
    syscall("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def set_parent_death_signal(signal: int) -> None:
    """Receive `signal` when the parent ends (PR_SET_PDEATHSIG); cleared by a change of credentials."""
    syscall("prctl", PR_SET_PDEATHSIG, signal, 0, 0, 0)


def set_user(uid: int, gid: int, groups: tuple[int, ...] | None) -> None:
    """Become `uid` and `gid`; `groups` None leaves the supplementary groups (setgroups may be denied)."""
    if groups is not None:
        os.setgroups(groups)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def sethostname(name: str) -> None:
    """sethostname(2)."""
    encoded = name.encode()
    syscall("sethostname", encoded, len(encoded))


def setdomainname(name: str) -> None:
    """setdomainname(2): the NIS domain name."""
    encoded = name.encode()
    syscall("setdomainname", encoded, len(encoded))


def set_rlimit(kind: str, soft: int, hard: int) -> None:
    """prlimit(2); `kind` is a name of RLIMITS, values beyond the signed range mean infinity."""
    # RLIM_INFINITY is the largest unsigned number.
    limits = [2**64 - 1 if value >= 2**63 else value for value in (soft, hard)]
    syscall("prlimit64", 0, RLIMITS[kind], _Rlimit(*limits), None, path=kind)


def bring_up(interface: str) -> None:
    """Set the interface's IFF_UP (netdevice(7))."""
    control = _socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
    request = _InterfaceRequest(interface.encode())
    try:
        syscall("ioctl", control.fileno(), SIOCGIFFLAGS, request, path=interface)
        request.flags |= IFF_UP
        syscall("ioctl", control.fileno(), SIOCSIFFLAGS, request, path=interface)
    finally:
        control.close()


def reset_signals() -> None:
    """Default dispositions and an empty mask, as a program expects them; Python itself ignores SIGPIPE and SIGXFSZ."""
    for signal in range(1, _signal.NSIG):
        # 32 and 33 belong to the C library; SIGKILL and SIGSTOP cannot be set.
        if signal in (9, 19, 32, 33) or _signal.getsignal(signal) in (_signal.SIG_DFL, None):
            continue
        _signal.signal(signal, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def close_on_exec_from(lowest: int) -> None:
    """Mark every descriptor from `lowest` on close-on-exec, whoever opened it (close_range(2), Linux 5.11)."""
    syscall("close_range", lowest, 0xFFFFFFFF, CLOSE_RANGE_CLOEXEC)


def write_file(path: str, text: str) -> None:
    """Write `text` to an existing file with one write(2), as the files of procfs and cgroupfs require."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)


def read_file(path: str) -> str:
    """The whole text of a small file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode(errors="surrogateescape")

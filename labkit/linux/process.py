"""Attributes of the calling process: identity, limits, names, signals."""

from __future__ import annotations

import _signal
from _socket import AF_INET, SOCK_CLOEXEC, SOCK_DGRAM
from _socket import socket as _socket
from _struct import pack, unpack
from fcntl import ioctl

from labkit.linux import os
from labkit.linux.libc import syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
CLOSE_RANGE_CLOEXEC = 4
KEYCTL_JOIN_SESSION_KEYRING = 1

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


# struct rlimit64 of prlimit(2): the soft limit and the hard one.
_RLIMIT = "=2Q"
# struct ifreq of netdevice(7): the name, the flags of its union, and the rest of that as padding.
_INTERFACE_REQUEST = "=16sH22x"


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
    syscall("prlimit64", 0, RLIMITS[kind], pack(_RLIMIT, *limits), None, path=kind)


def bring_up(interface: str) -> None:
    """Set the interface's IFF_UP (netdevice(7))."""
    control = _socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC)
    name = interface.encode()
    try:
        _, flags = unpack(_INTERFACE_REQUEST, ioctl(control, SIOCGIFFLAGS, pack(_INTERFACE_REQUEST, name, 0)))
        ioctl(control, SIOCSIFFLAGS, pack(_INTERFACE_REQUEST, name, flags | IFF_UP))
    except OSError as error:
        raise OSError(error.errno, error.strerror, interface) from error
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


def close_all_but(kept: Iterable[int], lowest: int) -> None:
    """Close every descriptor from `lowest` on that is not among `kept` (close_range(2), Linux 5.9)."""
    for one in sorted(number for number in kept if number >= lowest):
        if one > lowest:
            syscall("close_range", lowest, one - 1, 0)
        lowest = one + 1
    syscall("close_range", lowest, 0xFFFFFFFF, 0)


def set_not_dumpable() -> None:
    """No process without CAP_SYS_PTRACE over this one's user namespace can trace it (PR_SET_DUMPABLE)."""
    syscall("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def join_session_keyring(name: str) -> None:
    """Begin a new session keyring (keyctl(2), KEYCTL_JOIN_SESSION_KEYRING)."""
    syscall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, name.encode(), path="session keyring")


def close_from(lowest: int) -> None:
    """Close every descriptor from `lowest` on (close_range(2), Linux 5.9)."""
    syscall("close_range", lowest, 0xFFFFFFFF, 0)

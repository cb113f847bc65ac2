"""System calls by name: one table of numbers per architecture, and `syscall()`.

glibc 2.36 wraps few of the calls a container needs (no clone3, openat2, fsopen …), so all go through syscall(2).
The numbers from 424 on are the same on every architecture (Linux commit 0d6040d46817).
Source: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import sys

# The C module: `ctypes` itself, which is Python, takes 2 ms to import, and a class for each structure still more.
from _ctypes import FUNCFLAG_CDECL, FUNCFLAG_USE_ERRNO, CFuncPtr, _SimpleCData, dlopen, dlsym, get_errno

from labkit.linux import os

_COMMON = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "pidfd_getfd": 438,
    "mount_setattr": 442,
}

SYSCALL_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": _COMMON
    | {
        "bpf": 321,
        "capget": 125,
        "capset": 126,
        "inotify_add_watch": 254,
        "inotify_init1": 294,
        "ioctl": 16,
        "ioprio_set": 251,
        "keyctl": 250,
        "mount": 165,
        "personality": 135,
        "pivot_root": 155,
        "prctl": 157,
        "prlimit64": 302,
        "sched_setattr": 314,
        "seccomp": 317,
        "set_mempolicy": 238,
        "setdomainname": 171,
        "sethostname": 170,
        "setgroups": 116,
        "setns": 308,
        "setresgid": 119,
        "setresuid": 117,
        "timerfd_create": 283,
        "timerfd_settime": 286,
        "umount2": 166,
        "unshare": 272,
    },
    "aarch64": _COMMON
    | {
        "bpf": 280,
        "capget": 90,
        "capset": 91,
        "inotify_add_watch": 27,
        "inotify_init1": 26,
        "ioctl": 29,
        "ioprio_set": 30,
        "keyctl": 219,
        "mount": 40,
        "personality": 92,
        "pivot_root": 41,
        "prctl": 167,
        "prlimit64": 261,
        "sched_setattr": 274,
        "seccomp": 277,
        "set_mempolicy": 237,
        "setdomainname": 162,
        "sethostname": 161,
        "setgroups": 159,
        "setns": 268,
        "setresgid": 149,
        "setresuid": 147,
        "timerfd_create": 85,
        "timerfd_settime": 86,
        "umount2": 39,
        "unshare": 97,
    },
}

MACHINE = os.uname().machine
NUMBERS = SYSCALL_NUMBERS.get(MACHINE, {})

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

_ENOSYS = 38


class Int(_SimpleCData):  # type: ignore[type-arg]
    """An int of C's, in which a system call can leave its answer."""

    _type_ = "i"


class Unsigned(_SimpleCData):  # type: ignore[type-arg]
    """An unsigned int of C's; `Unsigned * n` is the type of n in a row."""

    _type_ = "I"


class _Bytes(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "z"


class _Long(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "l"


class _Pointer(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "P"


class _Syscall(CFuncPtr):
    """long syscall(long number, ...) of syscall(2)."""

    _flags_ = FUNCFLAG_CDECL | FUNCFLAG_USE_ERRNO
    _restype_ = _Long


_ADDRESS = dlsym(dlopen(None, 0), "syscall")  # type: ignore[arg-type]


def _taking(number: int) -> _Syscall:
    """syscall(2) with so many arguments: declared once, they are converted in a third of the time.

    A pointer is as wide as long on both architectures, and integers, bytes and addresses are taken for one.
    """
    function = _Syscall(_ADDRESS)
    function.argtypes = [_Long] + [_Pointer] * number
    return function


_SYSCALL = tuple(_taking(number) for number in range(7))


def address(data: bytes) -> int:
    """Where `data` lies, for a structure that points to it; who passes that keeps `data` until the call has ended."""
    return int.from_bytes(_Bytes(data), sys.byteorder)


def syscall(name: str, *arguments: int | bytes | None, path: str | None = None) -> int:
    """Make the system call `name`; integers are passed as long, bytes by address.

    All arguments that the call looks at must be given. Returns the call's result. Raises OSError with `path`, or else
    the call's own name, as its filename, so that an error always says what it was about.
    """
    try:
        number = NUMBERS[name]
    except KeyError:
        raise OSError(_ENOSYS, f"{name} has no number in the table for {MACHINE}", path or name) from None
    result: int = _SYSCALL[len(arguments)](number, *arguments)
    if result < 0:
        error = get_errno()
        raise OSError(error, os.strerror(error), path or name)
    return result


def attempt(name: str, *arguments: int | bytes | None) -> int:
    """As `syscall`, for a failure that is expected: it gives the negative errno, which takes less time to look at."""
    number = NUMBERS.get(name)
    if number is None:
        return -_ENOSYS
    result: int = _SYSCALL[len(arguments)](number, *arguments)
    return result if result >= 0 else -get_errno()

"""System calls by name: one table of numbers per architecture, and `syscall()`.

glibc 2.36 wraps few of the calls a container needs (no clone3, openat2, fsopen …), so all go through syscall(2).
The numbers from 424 on are the same on every architecture (Linux commit 0d6040d46817).
Source: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import os

_COMMON = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "pidfd_open": 434,
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
}

SYSCALL_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": _COMMON
    | {
        "capget": 125,
        "capset": 126,
        "ioctl": 16,
        "ioprio_set": 251,
        "mount": 165,
        "personality": 135,
        "pivot_root": 155,
        "prctl": 157,
        "prlimit64": 302,
        "sched_setattr": 314,
        "seccomp": 317,
        "setdomainname": 171,
        "sethostname": 170,
        "setgroups": 116,
        "setns": 308,
        "setresgid": 119,
        "setresuid": 117,
        "umount2": 166,
        "unshare": 272,
    },
    "aarch64": _COMMON
    | {
        "capget": 90,
        "capset": 91,
        "ioctl": 29,
        "ioprio_set": 30,
        "mount": 40,
        "personality": 92,
        "pivot_root": 41,
        "prctl": 167,
        "prlimit64": 261,
        "sched_setattr": 274,
        "seccomp": 277,
        "setdomainname": 162,
        "sethostname": 161,
        "setgroups": 159,
        "setns": 268,
        "setresgid": 149,
        "setresuid": 147,
        "umount2": 39,
        "unshare": 97,
    },
}

MACHINE = os.uname().machine
NUMBERS = SYSCALL_NUMBERS.get(MACHINE, {})

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
# A pointer is as wide as long on both architectures, and ctypes takes integers, bytes and addresses for one. All six
# arguments are always given: declared once, they are converted in a third of the time.
_syscall.argtypes = [ctypes.c_long] + [ctypes.c_void_p] * 6
_UNUSED = (0, 0, 0, 0, 0, 0)

Argument = int | bytes | ctypes.Array[ctypes.c_char] | ctypes.Structure | None


def syscall(name: str, *arguments: Argument, path: str | None = None) -> int:
    """Make the system call `name`; integers are passed as long, bytes and structures by address.

    Returns the call's result. Raises OSError with `path`, or else the call's own name, as its filename, so that an
    error always says what it was about.
    """
    number = NUMBERS.get(name)
    if number is None:
        raise OSError(38, f"{name} has no number in the table for {MACHINE}", path or name)
    passed = [ctypes.byref(a) if isinstance(a, ctypes.Structure) else a for a in arguments]
    result: int = _syscall(number, *passed, *_UNUSED[len(passed) :])
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path or name)
    return result

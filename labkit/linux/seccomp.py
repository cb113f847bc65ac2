"""Loading a compiled seccomp filter: seccomp(2), SECCOMP_SET_MODE_FILTER."""

from __future__ import annotations

import ctypes

from labkit.linux.libc import syscall

SECCOMP_SET_MODE_FILTER = 1
INSTRUCTION_SIZE = 8


class _Program(ctypes.Structure):
    """struct sock_fprog: the number of instructions and their address."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def load_filter(program: bytes, flags: int = 0) -> None:
    """Install `program` (an array of struct sock_filter) on the calling thread, for good and for its children.

    Needs no_new_privs or CAP_SYS_ADMIN.
    """
    instructions = ctypes.create_string_buffer(program, len(program))
    fprog = _Program(len(program) // INSTRUCTION_SIZE, ctypes.addressof(instructions))
    syscall("seccomp", SECCOMP_SET_MODE_FILTER, flags, fprog)

"""A process under one filter that makes calls when it is asked to; see `filter_price`.

On stdin: the filter's length and bytes, then for each order how many calls and of which number; on stdout for each
order how many ns they took.
"""

from __future__ import annotations

import ctypes
import os
import time
from _struct import pack, unpack

from labkit.linux.libc import MACHINE
from labkit.linux.process import set_no_new_privs
from labkit.linux.seccomp import load_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# A function of (how many, which call): each time with 0 as its first argument.
_LOOP = {
    "x86_64": bytes.fromhex(
        "4989f8"  # mov  %rdi, %r8
        "31ff"  # again: xor  %edi, %edi
        "89f0"  # mov  %esi, %eax
        "0f05"  # syscall, which leaves all but rax, rcx and r11 as it was
        "49ffc8"  # dec  %r8
        "75f5"  # jnz  again
        "c3"  # ret
    ),
    "aarch64": b"".join(
        word.to_bytes(4, "little")
        for word in (
            0xAA0003E9,  # mov  x9, x0
            0xAA0103E8,  # mov  x8, x1
            0xD2800000,  # again: mov  x0, #0
            0xD4000001,  # svc  #0
            0xF1000529,  # subs x9, x9, #1
            0x54FFFFA1,  # b.ne again
            0xD65F03C0,  # ret
        )
    ),
}
_PROT_READ, _PROT_EXEC, _MAP_PRIVATE = 1, 4, 2


def loop() -> Callable[[int, int], int]:
    """The function, in memory of its own; from a file, so that the kernel lets the processor see it as code."""
    code = _LOOP[MACHINE]
    file = os.memfd_create("loop", os.MFD_CLOEXEC)
    os.write(file, code)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    address = libc.mmap(None, len(code), _PROT_READ | _PROT_EXEC, _MAP_PRIVATE, file, 0)
    os.close(file)
    if address == ctypes.c_void_p(-1).value:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "mmap of machine code")
    made: Callable[[int, int], int] = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(address)
    return made


def _read(size: int) -> bytes:
    data = b""
    while len(data) < size and (more := os.read(0, size - len(data))):
        data += more
    return data


def main() -> None:
    """Load the filter and serve until stdin ends."""
    make = loop()
    program = _read(unpack("=I", _read(4))[0])
    if program:
        set_no_new_privs()
        load_filter(program)
    while order := _read(16):
        calls, number = unpack("=QQ", order)
        # The processor's time, in which others' turns do not count.
        began = time.thread_time_ns()
        make(calls, number)
        taken = time.thread_time_ns() - began
        os.write(1, pack("=Q", taken))

"""The smallest root filesystem there is: one program that writes a dot and ends, and the folders a runtime mounts on.

The program is assembled here, so that its first instruction is also the first thing that a start-up measurement sees:
no loader, no C library, four instructions to the write(2) that the harness waits for.
"""

from __future__ import annotations

import os
import struct

from labkit.errors import LabkitError

PATH = "/payload"
OUTPUT = b"."

# Each ends with the address of the byte to write being that of the byte behind the code.
_CODE = {
    "x86_64": bytes.fromhex(
        "b801000000"  # mov  $1, %eax           write(2)
        "bf01000000"  # mov  $1, %edi           standard output
        "488d3510000000"  # lea  0x10(%rip), %rsi  the byte behind the code
        "ba01000000"  # mov  $1, %edx
        "0f05"  # syscall
        "b83c000000"  # mov  $60, %eax          exit(2)
        "31ff"  # xor  %edi, %edi
        "0f05"  # syscall
    ),
    "aarch64": b"".join(
        word.to_bytes(4, "little")
        for word in (
            0xD2800808,  # mov  x8, #64   write(2)
            0xD2800020,  # mov  x0, #1    standard output
            0x100000C1,  # adr  x1, .+24  the byte behind the code
            0xD2800022,  # mov  x2, #1
            0xD4000001,  # svc  #0
            0xD2800BA8,  # mov  x8, #93   exit(2)
            0xD2800000,  # mov  x0, #0
            0xD4000001,  # svc  #0
        )
    ),
}
_MACHINE = {"x86_64": 62, "aarch64": 183}  # elf.h: EM_X86_64, EM_AARCH64
_BASE = 0x400000
# Behind the ELF header and the one program header.
START = _BASE + 64 + 56
FOLDERS = ("dev", "proc", "sys", "tmp")


def program(machine: str) -> bytes:
    """The program as a static ELF file for `machine`, as uname(2) names it (elf(5): one header, one segment).

    Raises LabkitError for a machine that it is not written for.
    """
    if machine not in _CODE:
        raise LabkitError(f"no start-up payload for {machine}", f"it is written for {' and '.join(_CODE)}")
    return executable(machine, _CODE[machine] + OUTPUT)


def executable(machine: str, code: bytes) -> bytes:
    """A static ELF file of one segment, which may also be written to, with `code` at START from its beginning on."""
    start = START - _BASE
    identity = b"\x7fELF" + bytes((2, 1, 1))  # 64 bits, little-endian, version 1
    header = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, _MACHINE[machine], 1, START, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = start + len(code)
    # PT_LOAD, with all three rights, aligned to the largest page that arm64 kernels use.
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, size, size, 0x10000)
    return header + segment + code


def make(rootfs: str) -> None:
    """Make the root filesystem in the folder `rootfs`, which may exist already."""
    for name in FOLDERS:
        os.makedirs(f"{rootfs}/{name}", exist_ok=True)
    descriptor = os.open(f"{rootfs}{PATH}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o755)
    try:
        os.write(descriptor, program(os.uname().machine))
        os.fchmod(descriptor, 0o755)
    finally:
        os.close(descriptor)

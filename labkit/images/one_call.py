"""A program that makes one system call and ends with its errno: a static ELF file, assembled here as the payload is."""

from __future__ import annotations

from labkit.errors import LabkitError
from labkit.images.payload import START, executable

Argument = int | bytes

_LARGEST = 2**64 - 1


def program(machine: str, number: int, arguments: tuple[Argument, ...]) -> bytes:
    """The file for `machine`, as uname(2) names it; bytes are passed by the address of a copy that may be written to.

    Its exit status is 0 when the call succeeds and otherwise the errno. Raises LabkitError for another machine.
    """
    code = {"x86_64": _x86_64, "aarch64": _aarch64}.get(machine)
    if code is None:
        raise LabkitError(f"no program of one call for {machine}", "it is written for x86_64 and aarch64")
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    # The code's length does not depend on the numbers in it.
    address = START + len(code(number, (0,) * 6))
    values, data = [], b""
    for argument in padded:
        if isinstance(argument, bytes):
            values.append(address + len(data))
            data += argument + bytes(-len(argument) % 8 or 8)
        else:
            values.append(argument & _LARGEST)
    return executable(machine, code(number, tuple(values)) + data)


def _x86_64(number: int, values: tuple[int, ...]) -> bytes:
    # mov $imm64 to rax, rdi, rsi, rdx, r10, r8, r9
    moves = ("48b8", "48bf", "48be", "48ba", "49ba", "49b8", "49b9")
    code = b"".join(
        bytes.fromhex(move) + value.to_bytes(8, "little") for move, value in zip(moves, (number, *values), strict=True)
    )
    return code + bytes.fromhex(
        "0f05"  # syscall
        "bf00000000"  # mov  $0, %edi
        "4885c0"  # test %rax, %rax
        "7904"  # jns  over the next two
        "f7d8"  # neg  %eax
        "89c7"  # mov  %eax, %edi
        "b83c000000"  # mov  $60, %eax   exit(2)
        "0f05"  # syscall
    )


def _aarch64(number: int, values: tuple[int, ...]) -> bytes:
    words = []
    for register, value in zip((8, 0, 1, 2, 3, 4, 5), (number, *values), strict=True):
        # movz, and movk for each further 16 bits
        words += [
            (0xD2800000 if part == 0 else 0xF2800000) | part << 21 | (value >> 16 * part & 0xFFFF) << 5 | register
            for part in range(4)
        ]
    words += [
        0xD4000001,  # svc  #0
        0xF100001F,  # cmp  x0, #0
        0xCB0003E1,  # neg  x1, x0
        0x9A9FB020,  # csel x0, x1, xzr, lt
        0xD2800BA8,  # mov  x8, #93   exit(2)
        0xD4000001,  # svc  #0
    ]
    return b"".join(word.to_bytes(4, "little") for word in words)

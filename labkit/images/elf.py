"""Whether a program is an ELF file, and whether it needs a dynamic loader.  Source: elf(5)."""

import struct
from pathlib import Path

PT_INTERP = 3


def is_static(path: Path) -> bool:
    """True for an ELF program without an interpreter (PT_INTERP); False for all other files.

    Raises OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 52 or header[:4] != b"\x7fELF":
            return False
        order = "<" if header[5] == 1 else ">"
        if header[4] == 2:
            (offset,) = struct.unpack_from(order + "Q", header, 32)
            size, count = struct.unpack_from(order + "HH", header, 54)
        else:
            (offset,) = struct.unpack_from(order + "I", header, 28)
            size, count = struct.unpack_from(order + "HH", header, 42)
        file.seek(offset)
        table = file.read(size * count)
    kinds = [struct.unpack_from(order + "I", table, index)[0] for index in range(0, len(table) - 3, size or 1)]
    return PT_INTERP not in kinds

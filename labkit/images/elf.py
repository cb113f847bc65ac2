"""Whether a program is an ELF file, and which dynamic loader it needs.  Source: elf(5)."""

import struct
from pathlib import Path

PT_INTERP = 3


def is_static(path: Path) -> bool:
    """True for an ELF program without an interpreter; False for all other files.

    Raises OSError when the file cannot be read.
    """
    return interpreter(path) == ""


def interpreter(path: Path) -> str | None:
    """The path of an ELF program's dynamic loader (PT_INTERP), "" where it needs none; None for all other files.

    Raises OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 52 or header[:4] != b"\x7fELF":
            return None
        order = "<" if header[5] == 1 else ">"
        wide = header[4] == 2
        (offset,) = struct.unpack_from(order + "Q" if wide else order + "I", header, 32 if wide else 28)
        size, count = struct.unpack_from(order + "HH", header, 54 if wide else 42)
        file.seek(offset)
        table = file.read(size * count)
        for index in range(0, len(table) - 3, size or 1):
            if struct.unpack_from(order + "I", table, index)[0] == PT_INTERP:
                # p_offset and p_filesz.
                entry = table[index : index + size].ljust(40, b"\0")
                place, length = struct.unpack_from(order + ("8xQ16xQ" if wide else "4xI8xI"), entry)
                file.seek(place)
                return file.read(length).rstrip(b"\0").decode(errors="surrogateescape")
    return ""

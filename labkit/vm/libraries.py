"""A program of the host's with all the libraries it needs, for an initramfs that has neither."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from labkit.errors import LabkitError
from labkit.images.elf import interpreter
from labkit.vm import cpio


def program(path: str, name: str) -> list[cpio.Entry]:
    """The program at `path` as /bin/`name`, its libraries and its loader where the loader looks for them.

    Raises LabkitError for what is no program of this machine. Source: ld.so(8), --list.
    """
    entries = [cpio.file(f"bin/{name}", _content(path), 0o755)]
    folders: set[str] = set()
    for library in libraries(path):
        folder = os.path.dirname(library).lstrip("/")
        parts = folder.split("/")
        for above in ("/".join(parts[:count]) for count in range(1, len(parts) + 1)):
            if above not in folders:
                folders.add(above)
                entries.append(cpio.folder(above))
        entries.append(cpio.file(library.lstrip("/"), _content(library), 0o755))
    return entries


def libraries(path: str) -> list[str]:
    """The paths of a program's shared libraries and of its loader; none for a static one.

    Its loader is asked, without the shell script around it that ldd(1) is.
    """
    loader = interpreter(Path(path))
    if not loader:
        return []
    try:
        said = subprocess.run([loader, "--list", path], capture_output=True, text=True, check=False)
    except OSError as error:
        raise LabkitError(f"{loader}: {error.strerror}", "reinstall the package libc6") from error
    if "not found" in said.stdout:
        [line, *_] = [line.strip() for line in said.stdout.splitlines() if "not found" in line]
        raise LabkitError(f"{path} cannot run: {line}", "reinstall its package")
    return sorted(set(re.findall(r"(/\S+) \(0x", said.stdout)))


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise LabkitError(f"{path}: {error.strerror}", "reinstall its package") from error

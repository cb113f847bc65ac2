"""The probe's program: a static one, compiled from the sources beside this file the first time that it is wanted.

It runs in any image (see compiled), and gVisor runs it as well.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from labkit.linux.libseccomp import NEWER
from labkit.workloads.compiled import gcc, kept

_SOURCES = Path(__file__).parent
_FLAGS = ("-D_GNU_SOURCE", "-static", "-O1", "-Wall", "-Wextra")
_NAME = "probe"


def program() -> Path:
    """The program's path. Raises MissingError without a compiler, and LabkitError when the cache cannot be used."""
    sources = sorted([*_SOURCES.glob("*.c"), *_SOURCES.glob("*.h")])

    def make(scratch: Path) -> Path:
        defined = gcc(_NAME, "-dM", "-E", "-include", "asm/unistd.h", "-x", "c", os.devnull)
        (scratch / "syscalls.h").write_text(calls(defined))
        made = scratch / _NAME
        files = [str(source) for source in sources if source.suffix == ".c"]
        gcc(_NAME, *_FLAGS, f"-I{scratch}", "-o", str(made), *files)
        return made

    return kept(_NAME, sources, (_FLAGS, NEWER), make)


def calls(defined: str) -> str:
    """Lines `{"NAME", NUMBER},` of all system calls, from the macros of <asm/unistd.h> as `gcc -dM` prints them."""
    found = {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", defined, re.MULTILINE)}
    # Not calls, but how many there are, and where an architecture's own begin.
    for name in ("syscalls", "arch_specific_syscall"):
        found.pop(name, None)
    # Those that a distribution's headers may not have yet.
    everything = sorted((NEWER | found).items(), key=lambda pair: pair[1])
    return "".join(f'{{"{name}", {number}}},\n' for name, number in everything)

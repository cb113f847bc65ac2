"""System calls, one by one: what each takes, by a small static program of our own (calls.c).

lmbench, the usual harness, is not free software of Debian's; stress_ng checks two of the figures by another program.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from labkit.errors import LabkitError
from labkit.workloads.compiled import gcc, kept
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import MEMORY, SCRATCH, Workload

_SOURCE = Path(__file__).parent / "calls.c"
_FLAGS = ("-D_GNU_SOURCE", "-static", "-O2", "-Wall", "-Wextra")
_NAME = "calls"
# For each operation, in s, at a scale of 1.
_SECONDS = 0.02


def program() -> Path:
    """The program's path. Raises MissingError without a compiler, and LabkitError when the cache cannot be used."""

    def make(scratch: Path) -> Path:
        gcc(_NAME, *_FLAGS, "-o", f"{scratch}/{_NAME}", str(_SOURCE))
        return scratch / _NAME

    return kept(_NAME, [_SOURCE], _FLAGS, make)


def files(scratch: str, scale: float) -> None:
    """The program itself."""
    shutil.copy(program(), f"{scratch}/{_NAME}")


def args_simple(scale: float) -> tuple[str, ...]:
    """What ends in the kernel, or in what stands for it."""
    return _args(scale, "simple", "files")


def args_processes(scale: float) -> tuple[str, ...]:
    """What makes processes, or has two of them talk."""
    return _args(scale, "processes")


def _args(scale: float, *kinds: str) -> tuple[str, ...]:
    return (f"{SCRATCH}/{_NAME}", MEMORY, SCRATCH, f"{_SECONDS * scale:g}", *kinds)


def parse(text: str) -> list[Measurement]:
    """The median time of each operation. Raises LabkitError for a row that is none of the program's."""
    found = []
    for line in text.splitlines():
        try:
            name, seconds, _ = line.split("\t")
            found.append(Measurement(f"syscall_{name}", "s", float(seconds)))
        except ValueError as error:
            raise LabkitError(
                f"not a row of the calls' table: {line!r}", "see the trial's log for all of it"
            ) from error
    if not found:
        raise LabkitError("the calls' table is empty", "see the trial's log for all of it")
    return found


WORKLOADS = (
    Workload(
        "syscalls",
        "syscalls",
        "13 operations one by one, files in memory and on a bind mount",
        (),
        args_simple,
        parse,
        "syscall_getpid",
        higher=False,
        core=True,
        files=files,
    ),
    Workload(
        "processes",
        "syscalls",
        "fork, fork + exec, pipe round trip between two processes",
        (),
        args_processes,
        parse,
        "syscall_fork_exec",
        higher=False,
        core=True,
        files=files,
    ),
)

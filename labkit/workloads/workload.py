"""A workload: a real program from Debian that runs in a sandbox, and how its own words become figures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from labkit.errors import LabkitError
from labkit.workloads.measurement import Measurement

# Where a sandbox finds a folder of the host that it may write to, and memory that it may write to.
SCRATCH = "/scratch"
MEMORY = "/tmp"
# A large file of the image, 33 MB, where gcc is among the packages: the C compiler proper of Debian bookworm.
BINARY = f"/usr/lib/gcc/{os.uname().machine}-linux-gnu/12/cc1"

# Of a scale: 1 is about half a second of work on a machine of 2020.
Args = Callable[[float], tuple[str, ...]]
# Of the server's address and a scale.
Load = Callable[[str, float], tuple[str, ...]]
# Of the host's folder that is SCRATCH inside, and a scale.
Files = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs inside, and what its output says.

    A job (`port` is 0) works and ends; `parse` reads its stdout. A server listens on `port` for the program `load`,
    which runs outside the sandbox, and `parse` reads the stdout of that; `fill` is a load that comes before, to bring
    in data, and is not measured.

    `files` puts what the program reads into the folder that it sees as SCRATCH, before the sandbox is asked for.

    The CPU that one operation takes is told where the load is of a number of `operations`, or where `parse` gives one
    of that name.

    `main` names the metric that stands for the workload, and `higher` says that more of it is better. `packages` are
    Debian's, of what runs inside and outside. `core` workloads are measured with intervals in the quick profile too.
    """

    name: str
    group: str
    about: str
    packages: tuple[str, ...]
    args: Args
    parse: Callable[[str], list[Measurement]]
    main: str
    higher: bool = True
    core: bool = False
    port: int = 0
    load: Load | None = None
    fill: Load | None = None
    files: Files | None = None
    operations: Callable[[float], float] | None = None
    timeout: float = 120.0


def number(pattern: str, text: str, what: str) -> float:
    """The number that the first group of `pattern` finds in an output.

    Raises LabkitError naming `what` it was to be, since a program of another version may print something else.
    """
    found = re.search(pattern, text, re.MULTILINE)
    if not found:
        words = " ".join(text.split())
        raise LabkitError(
            f"the output does not say {what}: {words[-160:] or 'it is empty'}", "see the trial's log for all of it"
        )
    return float(found[1].replace(",", ""))


def timed(command: str) -> tuple[str, ...]:
    """A shell command that says how long it took, for a program that does not say so itself; see `seconds`."""
    return ("bash", "-c", f"TIMEFORMAT='seconds %3R'; {{ time {{ {command}; }} 2>&3; }} 3>&2 2>&1")


def seconds(text: str) -> float:
    """What `timed` has printed, in s."""
    return number(r"^seconds ([\d.]+)$", text, "how long it took")

"""What a container's cgroups cost, in a small process that has made some before: as the spawner is one.

In a large one it is not the engine's cost: what it and its clone write to is copied page by page, and the engine's own
code and data are no longer at hand in the processor's caches.
"""

from __future__ import annotations

import gc
import sys
import time

from labkit.cgroups.alone import Alone
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.spec.document import decode, encode
from labkit.spec.model import Resources

# Of so many in one process the last counts: the first also load what the others find.
_TIMES = 3


def main(what: str, id: str) -> None:
    """Read resources from stdin; print how many ns `life` or `bare` takes, or in a list what to say and to do."""
    gc.freeze()
    try:
        resources = Resources.load(decode(sys.stdin.read()), "")
        measure = bare if what == "bare" else life
        print([measure(resources, f"{id}-{number}") for number in range(_TIMES)][-1])
    except LabkitError as error:
        print(encode([error.message, error.hint]))


def life(resources: Resources, id: str) -> int:
    """Nanoseconds to make a container's cgroups with their limits, to enter them, and to remove them.

    The process that enters is cloned and killed outside of that time, and so is the planning.
    """
    cgroups = Alone(resources, id)
    try:
        began = time.monotonic_ns()
        cgroups.make()
        taken = time.monotonic_ns() - began + cgroups.enter()
        cgroups.end()
    finally:
        began = time.monotonic_ns()
        cgroups.remove()
    return taken + time.monotonic_ns() - began


def bare(resources: Resources, id: str) -> int:
    """Nanoseconds for mkdir(2) and rmdir(2) of the same folders, which no engine can do without."""
    folders = Alone(resources, id).folders
    made = []
    try:
        began = time.monotonic_ns()
        for folder in folders:
            os.mkdir(folder)
            made.append(folder)
    except OSError as error:
        raise LabkitError(f"{error.filename}: {error.strerror}", "run as root") from error
    finally:
        for folder in made:
            os.rmdir(folder)
        taken = time.monotonic_ns() - began
    return taken

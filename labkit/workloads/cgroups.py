"""What a container's cgroups cost: to set up and tear down, and to read ten times a second."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack

import labkit
from labkit.cgroups.alone import Alone
from labkit.cgroups.detect import detect
from labkit.cgroups.sample import Sampler
from labkit.errors import LabkitError
from labkit.spec.document import decode, encode
from labkit.spec.model import Resources
from labkit.workloads.measurement import Measurement

# Containers that are watched at a time, and how often in a second.
WATCHED = 50
HERTZ = 10
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from labkit.cgroups.cost import main; main(*sys.argv[2:])"


def metric() -> str:
    """The name of the time for the cgroups of one container: those of v1 and of v2 have bounds of their own."""
    return "cgroups_v2" if detect().mode == "v2" else "cgroups_v1"


def life(resources: Resources, id: str) -> list[Measurement]:
    """Seconds to make a container's cgroups with their limits, to enter them, and to remove them.

    The process that enters is cloned and killed outside of that time, and so is the planning.
    """
    return _measured("life", resources, id)


def bare(resources: Resources, id: str) -> list[Measurement]:
    """Seconds for mkdir(2) and rmdir(2) of the same folders, which no engine can do without."""
    return _measured("bare", resources, id)


def _measured(what: str, resources: Resources, id: str) -> list[Measurement]:
    """Measured in a process that is started as the spawner is (see cgroups.cost)."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(labkit.__file__)))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROGRAM, package, what, id],
        input=encode(resources.dump()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabkitError(f"the cgroups cannot be measured: {done.stderr.strip().rpartition(chr(10))[2]}")
    found = decode(done.stdout)
    if isinstance(found, list):
        raise LabkitError(*found)
    return [Measurement(metric(), "s", found / 1e9)]


def sampling(resources: Resources, id: str) -> list[Measurement]:
    """The share of one core that it takes to read a few figures of WATCHED containers, HERTZ times a second.

    One second's readings are made at once, and their CPU time counted, in the kernel and outside of it.
    """
    with ExitStack() as stack:
        samplers = []
        for number in range(WATCHED):
            cgroups = Alone(resources, f"{id}-{number}")
            stack.callback(cgroups.remove)
            cgroups.make()
            cgroups.enter()
            samplers.append(stack.enter_context(Sampler(cgroups.folders)))
        samplers[0].read()
        began = time.process_time_ns()
        for _ in range(HERTZ):
            for sampler in samplers:
                sampler.read()
        taken = time.process_time_ns() - began
    return [Measurement("sampling", "s/s", taken / 1e9)]

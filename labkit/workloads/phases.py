"""The phases of a sandbox's life, each on its own: create, start, the program's end, delete."""

from __future__ import annotations

import os
import select
import time

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import Runtime
from labkit.runtimes.trial_run import last_words
from labkit.workloads.measurement import Measurement

METRICS = (("create", "s"), ("start", "s"), ("end", "s"), ("delete", "s"))
TIMEOUT = 60.0


def trial(runtime: Runtime, place: str, id: str, log: int) -> list[Measurement]:
    """Take the payload of the bundle `place` through its life once; `log` is for the runtime's own messages.

    create: until all but the program is there. start: from there to the program's first instruction. end: from it
    until the runtime has told the program's exit status. delete: until nothing is left. Raises LabkitError, with
    nothing left of the sandbox, when a phase fails.
    """
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        moments = [time.monotonic_ns()]
        try:
            sandbox = runtime.create(place, id, (null, writing, log), TIMEOUT)
        finally:
            os.close(writing)
            os.close(null)
        try:
            moments.append(time.monotonic_ns())
            sandbox.start(TIMEOUT)
            if not select.select([reading], [], [], TIMEOUT)[0]:
                raise LabkitError(f"no instruction of the payload ran within {TIMEOUT:g} s", "see the trial's log")
            output = os.read(reading, 16)
            moments.append(time.monotonic_ns())
            status = sandbox.wait(TIMEOUT)
            moments.append(time.monotonic_ns())
            sandbox.delete()
            moments.append(time.monotonic_ns())
        finally:
            sandbox.delete()
    finally:
        os.close(reading)
    if status != 0 or output != payload.OUTPUT:
        words = last_words(os.pread(log, 65536, 0).decode(errors="replace"))
        raise LabkitError(f"exit status {status}: {words or 'and no word why'}", "see the trial's log")
    return [
        Measurement(metric, unit, (after - before) / 1e9)
        for (metric, unit), before, after in zip(METRICS, moments[:-1], moments[1:], strict=True)
    ]

"""The phases of a sandbox's life, each on its own: create, start, the program's end, delete."""

from __future__ import annotations

import time

from labkit.runtimes import Runtime, Sandbox
from labkit.workloads.first_instruction import TIMEOUT, check, heard, listen
from labkit.workloads.measurement import Measurement

METRICS = (("create", "s"), ("start", "s"), ("end", "s"), ("delete", "s"))


def trial(runtime: Runtime, place: str, id: str, log: int) -> list[Measurement]:
    """Take the payload of the bundle `place` through its life once; `log` is for the runtime's own messages.

    create: until all but the program is there. start: from there to the program's first instruction. end: from it
    until the runtime has told the program's exit status. delete: until nothing is left. Raises LabkitError, with
    nothing left of the sandbox, when a phase fails.
    """
    moments = []

    def create(stdio: tuple[int, int, int]) -> Sandbox:
        moments.append(time.monotonic_ns())
        return runtime.create(place, id, stdio, TIMEOUT)

    with heard(create, log) as (sandbox, reading):
        moments.append(time.monotonic_ns())
        sandbox.start(TIMEOUT)
        output = listen(reading)
        moments.append(time.monotonic_ns())
        status = sandbox.wait(TIMEOUT)
        moments.append(time.monotonic_ns())
        sandbox.delete()
        moments.append(time.monotonic_ns())
    check(status, output, log)
    return [
        Measurement(metric, unit, (after - before) / 1e9)
        for (metric, unit), before, after in zip(METRICS, moments[:-1], moments[1:], strict=True)
    ]

"""Start-up: from asking a runtime for a sandbox to the payload's first instruction, and to the end of its whole life.

The payload writes a byte and ends (`images.payload`); the first instruction is taken to be when that byte arrives
here, one write(2) and one wake-up of this process after it ran. The whole life ends when the runtime has removed all
that it made: what `run` does in one command (create, start, wait, delete).
"""

from __future__ import annotations

import os
import time

from labkit.images import payload
from labkit.runtimes import Runtime, bundle
from labkit.workloads.first_instruction import TIMEOUT, check, heard, listen
from labkit.workloads.measurement import Measurement

NAME = "payload"
METRICS = (("first_instruction", "s"), ("whole_life", "s"))


def prepare(folder: str) -> str:
    """Make the root filesystem and the bundle below `folder`; returns the bundle's folder."""
    # Helpers of a sandbox may run as another user, who must be able to reach the root filesystem.
    os.chmod(folder, 0o755)
    payload.make(f"{folder}/rootfs")
    return bundle.write(f"{folder}/bundle", bundle.spec(f"{folder}/rootfs", (payload.PATH,)))


def trial(runtime: Runtime, place: str, id: str, log: int) -> list[Measurement]:
    """Run the payload of the bundle `place` once; `log` is a descriptor for the runtime's own messages.

    Raises LabkitError, with nothing left of the sandbox, when it did not run as it should.
    """
    with heard(lambda stdio: runtime.start(place, id, stdio), log) as (sandbox, reading):
        output = listen(reading)
        first = time.monotonic_ns()
        status = sandbox.wait(TIMEOUT)
        sandbox.delete()
        end = time.monotonic_ns()
    check(status, output, log)
    return [
        Measurement("first_instruction", "s", (first - sandbox.asked) / 1e9),
        Measurement("whole_life", "s", (end - sandbox.asked) / 1e9),
    ]

"""Start-up: from asking a runtime for a sandbox to the payload's first instruction, and to the end of its whole life.

The payload writes a byte and ends (`images.payload`); the first instruction is taken to be when that byte arrives
here, one write(2) and one wake-up of this process after it ran. The whole life ends when the runtime has removed all
that it made: what `run` does in one command (create, start, wait, delete).
"""

from __future__ import annotations

import os
import select
import time

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import Runtime, bundle
from labkit.runtimes.trial_run import last_words
from labkit.workloads.measurement import Measurement

NAME = "payload"
METRICS = (("first_instruction", "s"), ("whole_life", "s"))
TIMEOUT = 60.0


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
    stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            sandbox = runtime.start(place, id, (stdin, writing, log))
        finally:
            os.close(writing)
            os.close(stdin)
        try:
            poll = select.poll()
            poll.register(reading, select.POLLIN)
            if not poll.poll(TIMEOUT * 1000):
                raise LabkitError(f"no instruction of the payload ran within {TIMEOUT:g} s", "see the trial's log")
            output = os.read(reading, 16)
            first = time.monotonic_ns()
            status = sandbox.wait(TIMEOUT)
            sandbox.delete()
            end = time.monotonic_ns()
        finally:
            sandbox.delete()
    finally:
        os.close(reading)
    if status != 0 or output != payload.OUTPUT:
        words = last_words(os.pread(log, 65536, 0).decode(errors="replace"))
        raise LabkitError(f"exit status {status}: {words or 'and no word why'}", "see the trial's log")
    return [
        Measurement("first_instruction", "s", (first - sandbox.asked) / 1e9),
        Measurement("whole_life", "s", (end - sandbox.asked) / 1e9),
    ]

"""Many sandboxes asked for at once: how long until all run, and until all are gone."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import Runtime, Sandbox
from labkit.runtimes.trial_run import last_words_in
from labkit.workloads.measurement import Measurement

METRICS = (("all_run", "s"), ("all_gone", "s"), ("throughput", "1/s"))
TIMEOUT = 120.0


def trial(runtime: Runtime, place: str, ids: Sequence[str], log: int) -> list[Measurement]:
    """Ask for a sandbox of the bundle `place` for each id, from as many threads; `log` is for the runtime's messages.

    all_run: from asking to the last payload's first instruction. all_gone: to the last one's removal. throughput: whole
    lives per second. Raises LabkitError, with nothing left of any, when one of them fails.
    """
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    sandboxes: list[Sandbox] = []

    def live(id: str) -> int:
        sandbox = runtime.start(place, id, (null, writing, log))
        sandboxes.append(sandbox)
        status = sandbox.wait(TIMEOUT)
        sandbox.delete()
        return status

    try:
        with ThreadPoolExecutor(len(ids)) as threads:
            begun = time.monotonic_ns()
            lives = [threads.submit(live, id) for id in ids]
            _read(reading, len(ids) * len(payload.OUTPUT), lambda: all(life.done() for life in lives))
            running = time.monotonic_ns()
            statuses = [life.result() for life in lives]
            gone = time.monotonic_ns()
    finally:
        os.close(null)
        os.close(writing)
        os.close(reading)
        for sandbox in sandboxes:
            sandbox.delete()
    if any(statuses):
        raise LabkitError(
            f"{sum(map(bool, statuses))} of {len(ids)} failed: {last_words_in(log)}", "see the trial's log"
        )
    return [
        Measurement("all_run", "s", (running - begun) / 1e9),
        Measurement("all_gone", "s", (gone - begun) / 1e9),
        Measurement("throughput", "1/s", len(ids) / ((gone - begun) / 1e9)),
    ]


def _read(descriptor: int, wanted: int, over: Callable[[], bool]) -> None:
    """Read so many bytes, or fewer when those who write have ended before."""
    deadline = time.monotonic() + TIMEOUT
    while wanted > 0:
        if not select.select([descriptor], [], [], 0.1)[0]:
            if over():
                return  # Their exit statuses say why.
            if time.monotonic() > deadline:
                raise LabkitError(f"not all payloads ran within {TIMEOUT:g} s", "see the trial's log")
            continue
        wanted -= len(os.read(descriptor, wanted))

"""Sandboxes that do nothing, more and more of them: what memory each takes, looked at in three ways."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from labkit.errors import LabkitError
from labkit.linux.proc import read_file
from labkit.runtimes import Runtime, Sandbox, host_process
from labkit.runtimes.trial_run import last_words_in
from labkit.workloads.measurement import Measurement

METRICS = (("pss", "bytes"), ("cgroup_memory", "bytes"), ("available_less", "bytes"), ("processes", "1"))
# It says that it runs, then waits for input that does not come; it ends with whoever could send it.
ARGS = ("sh", "-c", "echo up; exec cat")
TIMEOUT = 60.0


def trial(
    runtime: Runtime,
    start: Callable[[str, tuple[int, int, int]], Sandbox],
    ids: Sequence[str],
    levels: Sequence[int],
    in_cgroups: Callable[[], float],
    log: int,
) -> dict[int, list[Measurement]]:
    """Start a sandbox that runs ARGS for each id; measured is what all take whenever there are so many as a level.

    pss: all their processes on the host, a shared page by its part. cgroup_memory: what `in_cgroups` says, which has
    the page cache that they were the first to read. available_less: how much less MemAvailable is than before the
    first (proc_meminfo(5)), to which the rest of the host adds its own changes. `start` starts one of an id with its
    stdin, stdout and stderr. Raises LabkitError, with nothing left of any, when one does not stay.
    """
    found: dict[int, list[Measurement]] = {}
    with ExitStack() as stack:
        waiting, _ = _pipe(stack)
        before = _available()
        for number, id in enumerate(ids, 1):
            # Kept open: a shell that has not written its line out yet would be ended by SIGPIPE.
            reading, writing = os.pipe2(os.O_CLOEXEC)
            stack.callback(os.close, reading)
            try:
                sandbox = start(id, (waiting, writing, log))
            finally:
                os.close(writing)
            stack.callback(sandbox.delete)
            if not select.select([reading], [], [], TIMEOUT)[0] or not os.read(reading, 16):
                raise LabkitError(f"sandbox {number} did not come up: {last_words_in(log)}", "see the log")
            if number in levels:
                found[number] = _look(runtime, ids[:number], before, in_cgroups)
    return found


def _pipe(stack: ExitStack) -> tuple[int, int]:
    ends = os.pipe2(os.O_CLOEXEC)
    for end in ends:
        stack.callback(os.close, end)
    return ends


def _look(runtime: Runtime, ids: Sequence[str], before: int, in_cgroups: Callable[[], float]) -> list[Measurement]:
    pids = {one.pid for id in ids for one in runtime.host_processes(id) if not one.shared}
    if not pids:
        raise LabkitError("the sandboxes have no process on the host", "see the trial's log")
    values = (
        float(sum(map(host_process.pss, pids))),
        in_cgroups(),
        float(before - _available()),
        float(len(pids)),
    )
    return [Measurement(metric, unit, value) for (metric, unit), value in zip(METRICS, values, strict=True)]


def _available() -> int:
    """MemAvailable in bytes."""
    lines = read_file("/proc/meminfo").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))

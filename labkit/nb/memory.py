"""A program that takes memory until its limit, seen through the kernel's own counters, and why it ended."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from labkit.cgroups.events import amount
from labkit.nb.limited import limited
from labkit.nb.recorder import Recorder
from labkit.plots.counters import Panel, counters
from labkit.spec.model import Memory
from labkit.spec.units import parse_bytes

# A variable for each MiB: one that grew would be copied each time, and take twice its size while it is.
_GROW = """
    piece=$(head -c {step} /dev/zero | tr '\\0' x); i=0
    while :; do i=$((i + 1)); eval "piece$i=\\$piece"; usleep {pause}; done"""
_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class Growth:
    """`samples`: rows of `time` (s), `usage`, `peak`, `limit` (bytes) and `failures`; how it ended, and why."""

    samples: pd.DataFrame
    status: int
    reason: str | None


def grow(
    rootfs: str | os.PathLike[str],
    limit: str | int,
    *,
    seconds: float = 2.0,
    meanwhile: Callable[[Recorder], None] | None = None,
) -> Growth:
    """Run a program that takes a MiB at a time, so that it is at `limit` (bytes, or text as 64M) in about `seconds`.

    `meanwhile` is called with what is recorded once it runs. LabkitError where the limit cannot be set.
    """
    size = parse_bytes(limit, "memory limit")
    pause = round(seconds * 1e6 / max(1, size // _STEP))
    script = _GROW.format(step=_STEP, pause=pause)
    container = limited(rootfs, script, memory=Memory(limit=size, swap=size))

    def counters() -> dict[str, float]:
        memory = container.stats()["memory"]
        usage = memory["usage"]
        # v1 counts for itself how often memory and swap together met their limit, which here is the same.
        failures = max(usage["failcnt"], memory.get("swap", usage)["failcnt"])
        return {"usage": usage["usage"], "peak": usage["max"], "limit": usage["limit"], "failures": failures}

    with container.create(), Recorder(counters, 0.02) as recorder:
        # However busy the host: it is seen before it takes anything.
        recorder.begun()
        container.start()
        if meanwhile is not None:
            meanwhile(recorder)
        status = container.wait(30 + 10 * seconds)
    return Growth(recorder.frame(), status, container.reason)


def figure(samples: pd.DataFrame) -> Figure:
    """What is in use and the highest of it over time, under the limit; `samples` are of a Growth."""
    limit = float(samples["limit"].iloc[-1]) / _STEP if len(samples) else None
    panels = (
        Panel("memory, MiB", {"usage": "in use", "peak": "highest"}, limit, _STEP),
        Panel("limit met,\ntimes", {"failures": "limit met"}, whole=True),
    )
    return counters(samples, panels if len(samples) and samples["failures"].max() else panels[:1])


def in_words(growth: Growth) -> str:
    """How high it was seen, how often it met its limit, and the engine's reason of its death."""
    samples = growth.samples
    text = f"The highest of {len(samples)} readings found {amount(int(samples['usage'].max()))} in use"
    failures = int(samples["failures"].max())
    times = "once" if failures == 1 else f"{failures} times"
    text += f"; the kernel counted {times} that the limit was met. " if failures else ". "
    ended = f"The program ended with status {growth.status}"
    if growth.reason is None:
        return f"{text}{ended}, and not for want of memory."
    # Newer kernels leave v1's failcnt alone.
    uncounted = "" if failures else " The kernel's own count of refused charges (failcnt) stayed 0 all the same."
    return f"{text}{ended}: {growth.reason}.{uncounted}"

"""What a running container uses, as a figure and in words: CPU, memory, processes and throttling over time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labkit import Container
from labkit.cgroups.events import amount
from labkit.plots import counters
from labkit.plots.counters import Panel

_MIB = 1 << 20
# Rates are over this much time, in s: the kernel counts CPU time in steps of some milliseconds.
_OVER = 0.4
# One that has stopped has only to be asked.
_SOON = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What a container may use: bytes, CPUs, processes; None where it has no limit."""

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None


def limits(container: Container) -> Limits:
    """The limits of its configuration."""
    resources = container.spec.linux.resources
    cpu, memory, pids = resources.cpu, resources.memory.limit, resources.pids
    quota = cpu.quota if cpu.quota and cpu.quota > 0 else None
    return Limits(
        memory if memory and memory > 0 else None,
        quota / (cpu.period or 100_000) if quota else None,
        pids.limit if pids and pids.limit > 0 else None,
    )


def rates(samples: pd.DataFrame) -> pd.DataFrame:
    """From what a `Sampler` read to what is drawn: `time` in s, `cpu` and `throttled` in % of one CPU's time, the rest.

    `samples` has `time` and the quantities that the host counts. `memory_bytes` and `pids` stay as they are.
    """
    found = samples[[name for name in ("time", "memory_bytes", "pids") if name in samples]].copy()
    time = samples["time"].to_numpy()
    for name, counted in (("cpu", "cpu_ns"), ("throttled", "throttled_ns")):
        if counted in samples:
            # The kernel adds up the waits of all CPUs, so that both may be more than 100.
            # By the time that has passed, since a busy host does not let every reading be on time.
            grown = samples[counted] - np.interp(time - _OVER, time, samples[counted], left=np.nan)
            found[name] = 100 * grown / 1e9 / _OVER
    return found


def thinned(frame: pd.DataFrame, rows: int = 1500) -> pd.DataFrame:
    """At most about so many of its rows, evenly: more cannot be seen in a figure."""
    return frame.iloc[:: max(1, len(frame) // rows)]


def figure(frame: pd.DataFrame, allowed: Limits, seconds: float | None = None) -> Figure:
    """A panel for each of the four; `frame` is of `rates`. The time axis goes on to `seconds` where that is later."""
    panels = (
        Panel("CPU,\n% of one", {"cpu": "used"}, 100 * allowed.cpus if allowed.cpus else None),
        Panel("throttled,\n% of one", {"throttled": "throttled"}),
        Panel("memory, MiB", {"memory_bytes": "in use"}, allowed.memory / _MIB if allowed.memory else None, _MIB),
        Panel("processes", {"pids": "alive"}, allowed.pids, whole=True),
    )
    return counters.counters(frame, panels, seconds)


def in_words(frame: pd.DataFrame, allowed: Limits) -> str:
    """What it used last and at most."""
    if frame.empty:
        return "Nothing was seen of the container."
    # The last reading of one that ends lacks what was read after its end.
    known = {name: frame[name].dropna() for name in frame if frame[name].notna().any()}
    said = []
    for name, what, of in (
        ("cpu", "{:.0f}% of a CPU", f", limit {100 * allowed.cpus:.0f}%" if allowed.cpus else ""),
        ("throttled", "throttled for {:.0f}% of a CPU's time", ""),
    ):
        if name in known:
            said.append(f"{what.format(known[name].iloc[-1])} (at most {known[name].max():.0f}%{of})")
    if "memory_bytes" in known:
        memory, of = known["memory_bytes"], f", limit {amount(allowed.memory)}" if allowed.memory else ""
        said.append(f"{amount(int(memory.iloc[-1]))} of memory (at most {amount(int(memory.max()))}{of})")
    if "pids" in known:
        of, last = f", limit {allowed.pids}" if allowed.pids else "", int(known["pids"].iloc[-1])
        said.append(f"{last} process{'es' * (last != 1)} (at most {known['pids'].max():.0f}{of})")
    return (
        f"Seen for {frame['time'].max():.1f} s, at the last: {', '.join(said)}." if said else "Nothing is counted here."
    )


def status(container: Container) -> str:
    """Whether it still runs, or how it ended."""
    if container.status != "stopped":
        return "It still runs."
    ended = container.wait(_SOON)
    return f"It has ended with status {ended}{f': {container.reason}' if container.reason else ''}."

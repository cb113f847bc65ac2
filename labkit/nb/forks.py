"""A fork bomb behind a limit of processes: how many there are, how many are refused, and how the host fares."""

import os
import subprocess
import time
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from labkit.cgroups.events import refused_forks
from labkit.cgroups.sample import Sampler
from labkit.nb.limited import limited
from labkit.nb.recorder import Recorder
from labkit.plots import style
from labkit.plots.counters import Panel, counters
from labkit.spec.model import Cpu, Pids

# Every process forks for ever; the first waits, since the container would end with it.
BOMB = "bomb() { while :; do bomb & done; }; bomb & while :; do sleep 60; done"
_PERIOD = 100_000


@dataclass(frozen=True, slots=True)
class Explosion:
    """`samples`: rows of `time` (s), `pids` and `refused`, both numbers; the host's times of fork and exec, in s."""

    samples: pd.DataFrame
    limit: int
    before: tuple[float, ...]
    during: tuple[float, ...]


def explode(
    rootfs: str | os.PathLike[str], limit: int, *, cpus: float = 0.5, seconds: float = 2.0, forks: int = 20
) -> Explosion:
    """Let a bomb go off for `seconds` in a container of at most `limit` processes and `cpus` CPUs.

    Before and meanwhile the host itself starts a program, `forks` times. LabkitError where the limits cannot be set.
    """
    container = limited(rootfs, BOMB, pids=Pids(limit=limit), cpu=Cpu(quota=round(cpus * _PERIOD), period=_PERIOD))
    before = [_fork() for _ in range(forks)]
    # It complains of each fork that is refused.
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        with container:
            cgroups = container.start(stderr=nowhere).cgroups
            with Sampler(cgroups) as sampler:

                def counters() -> dict[str, float]:
                    return {**sampler.read(), "refused": refused_forks(cgroups) or 0}

                with Recorder(counters, 0.01) as recorder:
                    ends = time.monotonic() + seconds
                    during = [_fork() for _ in range(forks)]
                    recorder.over(max(0.0, ends - time.monotonic()))
    finally:
        os.close(nowhere)
    samples = recorder.frame()
    return Explosion(samples[["time", "pids", "refused"]], limit, tuple(before), tuple(during))


def _fork() -> float:
    began = time.monotonic()
    subprocess.run(["/bin/true"], check=True)
    return time.monotonic() - began


def figure(explosion: Explosion) -> Figure:
    """The number of processes, and of refusals, over time."""
    panels = (
        Panel("processes", {"pids": "alive"}, explosion.limit, whole=True),
        Panel("forks refused", {"refused": "refused"}, whole=True),
    )
    return counters(explosion.samples, panels)


def in_words(explosion: Explosion) -> str:
    """The most processes there were, how many forks were refused, and what a fork cost the host meanwhile."""
    samples = explosion.samples
    before, during = (float(pd.Series(times).median()) for times in (explosion.before, explosion.during))
    return (
        f"At most {samples['pids'].max():.0f} of {explosion.limit} processes were there at once, while the kernel "
        f"refused {samples['refused'].max():,.0f} forks in {samples['time'].max():.1f} s. The host's own programs "
        f"were started all the same, in {style.milliseconds(before)} before and {style.milliseconds(during)} meanwhile "
        "(medians)."
    )

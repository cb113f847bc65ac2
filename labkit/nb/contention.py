"""Two busy containers on one CPU, with different weights: what share of it each gets, and how long each waits."""

import os
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from labkit import Container
from labkit.cgroups import v2
from labkit.cgroups.detect import detect
from labkit.cgroups.folders import having
from labkit.cgroups.sample import Sampler
from labkit.errors import LabkitError
from labkit.nb.limited import limited
from labkit.nb.pressure import stalled
from labkit.plots.response import response
from labkit.spec.model import Cpu
from labkit.stats import Median

# What every container has that names no weight (v1's cpu.shares; config-linux.md, cpu).
DEFAULT = 1024
# Both are so much heavier than they are called, so that what else the host does takes little from either.
_FACTOR, _LARGEST = 64, 262_144
COLUMNS = ("shares", "expected", "window", "got", "ran", "stalled", "other_ran", "other_stalled")


def measure(
    rootfs: str | os.PathLike[str],
    shares: Sequence[int],
    *,
    windows: int = 6,
    seconds: float = 0.2,
    cpu: int | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """A row per pair of containers and window: one with `shares` of weight, the other with 1024, on the same CPU.

    Both weights are multiplied by what makes them large. `got` is the first one's part of the CPU time of both,
    `expected` that of its weight as this host's cgroups take it. `ran` and `stalled` are the shares of the time in
    which it ran, and in which all it has waited for the CPU (PSI, cpu.pressure: full), NaN where the kernel does not
    measure that; `other_ran` and `other_stalled` are the other's. `cpu` is the last by default.
    """
    number = max(os.sched_getaffinity(0)) if cpu is None else cpu
    factor = _factor(shares)
    order = list(shares)
    random.Random(seed).shuffle(order)
    rows = []
    for one in order:
        with ExitStack() as stack:
            pair = [stack.enter_context(_busy(rootfs, factor * weight, number)) for weight in (one, DEFAULT)]
            folders = [container.start().cgroups for container in pair]
            watched = [(stack.enter_context(Sampler(cgroups)), _pressure(cgroups)) for cgroups in folders]
            time.sleep(0.05)
            for window in range(windows):
                rows.append({"shares": one, "window": window} | _window(watched, seconds))
    frame = pd.DataFrame(rows)
    frame["expected"] = [expected(one, factor) for one in frame["shares"]]
    return frame.sort_values(["shares", "window"], ignore_index=True)[list(COLUMNS)]


def _pressure(cgroups: Sequence[str]) -> str:
    """Where its pressure is read; a file that is not there when none of its cgroups has one."""
    return f"{having(cgroups, 'cpu.pressure') or cgroups[0]}/cpu.pressure"


def _busy(rootfs: str | os.PathLike[str], shares: int, cpu: int) -> Container:
    # With a name, since PSI is in the v2 tree alone, in which a hybrid host's containers otherwise have no cgroup.
    name = f"labkit-contention-{os.getpid()}-{shares}-{_serial()}"
    return limited(rootfs, "while :; do :; done", cgroup=name, cpu=Cpu(shares=shares, cpus=str(cpu)))


_made = 0


def _serial() -> int:
    global _made
    _made += 1
    return _made


@dataclass(frozen=True, slots=True)
class _Look:
    """When one container was looked at, and the seconds that it had run, and waited for the CPU, by then."""

    time: float
    ran: float
    waited: float


def _look(sampler: Sampler, pressure: str) -> _Look:
    # Together, and nothing slow between them.
    figures, now, waited = sampler.read(), time.monotonic(), stalled(pressure)
    if "cpu_ns" not in figures:
        raise LabkitError("the CPU time of a container is not counted here", "labkit doctor shows the controllers")
    return _Look(now, figures["cpu_ns"] / 1e9, waited)


def _window(watched: Sequence[tuple[Sampler, str]], seconds: float) -> dict[str, float]:
    before = [_look(*one) for one in watched]
    time.sleep(seconds)
    after = [_look(*one) for one in watched]
    first, other = (
        (last.ran - start.ran, last.waited - start.waited, last.time - start.time)
        for start, last in zip(before, after, strict=True)
    )
    return {
        "got": first[0] / (first[0] + other[0]),
        "ran": first[0] / first[2],
        "stalled": first[1] / first[2],
        "other_ran": other[0] / other[2],
        "other_stalled": other[1] / other[2],
    }


def _factor(shares: Sequence[int]) -> int:
    return max(1, min(_FACTOR, _LARGEST // max(*shares, DEFAULT)))


def expected(shares: int, factor: int = 1) -> float:
    """The part of a CPU that goes to `shares` beside 1024, both times `factor`.

    On v1 as they are, on v2 as the weights that they become.
    """
    cpu = detect().of("cpu")
    own, other = factor * shares, factor * DEFAULT
    if cpu is not None and cpu.version == 2:
        own, other = v2.weight(own), v2.weight(other)
    return own / (own + other)


def figure(pairs: pd.DataFrame) -> Figure:
    """The part of the CPU that was got over the one that the weights ask for; `pairs` is what `measure` gives."""
    medians = 100 * Median("expected", "got")(pairs)
    return response(
        {"measured": medians}, "part of the CPU by the weights, %", "part of the CPU got, %", ideal="as the weights ask"
    )


def in_words(pairs: pd.DataFrame) -> str:
    """How far the parts are from those expected."""
    medians = Median("expected", "got")(pairs)
    off = (medians["median"] - medians["expected"]).abs()
    first, last = medians.iloc[0], medians.iloc[-1]
    return (
        f"With weights that ask for {first['expected']:.0%} to {last['expected']:.0%} of the CPU, the first container "
        f"got {first['median']:.1%} to {last['median']:.1%}; the largest difference is {100 * off.max():.1f} "
        "percentage points."
    )


def stalls_in_words(pairs: pd.DataFrame) -> str:
    """What the kernel's pressure stall information says of the same windows; a sentence on its lack where it is not."""
    if pairs["stalled"].isna().all():
        return "This kernel measures no pressure stall information for a cgroup: there is no cpu.pressure, or psi=0."
    least = pairs.groupby("shares").median().iloc[0]
    together = pd.concat([pairs["ran"] + pairs["stalled"], pairs["other_ran"] + pairs["other_stalled"]]).median()
    return (
        f"The container with the least weight ran for {least['ran']:.0%} of the time and stood still for "
        f"{least['stalled']:.0%}, the one beside it for {least['other_ran']:.0%} and {least['other_stalled']:.0%}. For "
        "a program that always wants the CPU both must add up to 100%; the median sum of all windows is "
        f"{together:.0%}."
    )

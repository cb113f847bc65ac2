"""A busy loop under one CPU quota after another: what the kernel counts, and what the loop itself gets done."""

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from labkit import Container
from labkit.cgroups.sample import Sampler
from labkit.cgroups.update import update
from labkit.errors import LabkitError
from labkit.nb.limited import limited
from labkit.nb.recorder import Recorder
from labkit.plots import style
from labkit.plots.cumulative import cumulative
from labkit.plots.response import response
from labkit.spec.model import Cpu, Resources
from labkit.stats import Median

# Says how far it has counted, often enough for a window in which it runs for a few milliseconds.
_LOOP = "i=0; while :; do i=$((i+1)); [ $((i % 100)) = 0 ] && echo $i; done"
_CHUNK = 1 << 16
_LARGEST = 262_144
# A loop that gets less of a CPU than this while nothing limits it has had to wait for others.
_IDLE = 0.95
COLUMNS = ("window", "asked", "got", "throttled", "work")


@dataclass(slots=True)
class _Busy:
    """The loop in its container, what reads its CPU time, the pipe on which it says how far it is, and what it said."""

    container: Container
    sampler: Sampler
    pipe: int
    said: int = 0

    def counted(self) -> int:
        """How far it had counted by the last whole line that it wrote."""
        text = b""
        while True:
            try:
                text = text[-32:] + os.read(self.pipe, _CHUNK)
            except BlockingIOError:
                break
        # The last line may be half there; of none the first may be, too.
        lines = text.split(b"\n")[1:-1]
        if lines:
            self.said = int(lines[-1])
        return self.said

    def throttling(self) -> Any:
        return self.container.stats()["cpu"]["throttling"]

    def used(self) -> float:
        """CPU time in seconds."""
        figures = self.sampler.read()
        if "cpu_ns" not in figures:
            raise LabkitError("the CPU time of a container is not counted here", "labkit doctor shows the controllers")
        return figures["cpu_ns"] / 1e9


def measure(
    rootfs: str | os.PathLike[str],
    quotas: Sequence[float],
    *,
    windows: int = 6,
    seconds: float = 0.2,
    period: float = 0.02,
    seed: int = 1,
) -> pd.DataFrame:
    """A row per window of time and quota: `asked` and `got` in CPUs, `throttled` a share of periods, `work` of a speed.

    In each of the `windows` one container runs a loop under every quota, in a random order, and under none, where
    `asked` is NaN. A window lasts about `seconds`, a whole number of periods, since the quota is refilled once in each.
    `got` is the CPU time that the kernel counted over the time that passed; `work` is how fast the loop went, as a
    ratio to its median speed under no quota.
    """
    rng = random.Random(seed)
    length = max(1, round(seconds / period)) * period
    rows: list[dict[str, float]] = []
    for window in range(windows):
        order: list[float | None] = [*quotas, None]
        rng.shuffle(order)
        with _busy(rootfs, period) as busy:
            rows += _window(busy, window, order, length, period)
    frame = pd.DataFrame(rows)
    # Of all windows, since a single one may have met a busy host.
    free = frame[frame["asked"].isna()]["speed"].median()
    return frame.assign(work=frame["speed"] / free)[list(COLUMNS)]


@contextmanager
def _busy(rootfs: str | os.PathLike[str], period: float) -> Iterator[_Busy]:
    # Under a quota from the beginning, so that one who may not set it hears so before anything runs.
    container = limited(rootfs, _LOOP, cpu=_cpu(1.0, period))
    pipe, theirs = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(pipe, False)
    try:
        with container:
            try:
                container.start(stdout=theirs)
            finally:
                os.close(theirs)
            with Sampler(container.cgroups) as sampler:
                yield _Busy(container, sampler, pipe)
    finally:
        os.close(pipe)


def _window(
    busy: _Busy, window: int, order: Sequence[float | None], length: float, period: float
) -> Iterator[dict[str, float]]:
    for quota in order:
        update(busy.container.cgroups, Resources(cpu=_cpu(quota, period)))
        # What the quota before left over, or overdrew, is settled within a period or two.
        time.sleep(max(2 * period, 0.02))
        before, counted = busy.throttling(), busy.counted()
        used, began = busy.used(), time.monotonic()
        time.sleep(length)
        used, passed = busy.used() - used, time.monotonic() - began
        count, after = busy.counted() - counted, busy.throttling()
        periods = after["periods"] - before["periods"]
        yield {
            "window": window,
            "asked": float("nan") if quota is None else quota,
            "got": used / passed,
            "throttled": (after["throttledPeriods"] - before["throttledPeriods"]) / periods if periods else 0.0,
            "speed": count / passed,
        }


def _cpu(quota: float | None, period: float) -> Cpu:
    # As the kernel takes them, in microseconds; -1 is no quota. The largest weight: it is the quota that is to keep the
    # loop from a CPU, not what else the host does.
    us = round(period * 1e6)
    return Cpu(quota=-1 if quota is None else round(quota * us), period=us, shares=_LARGEST)


def stairs(
    rootfs: str | os.PathLike[str], quota: float, periods: Sequence[float], seconds: float = 0.4
) -> pd.DataFrame:
    """CPU time over time under one quota with different periods: rows of `period`, `time` and `used`, in seconds."""
    found = []
    for period in periods:
        with (
            limited(rootfs, "while :; do :; done", cpu=_cpu(quota, period)) as container,
            Sampler(container.start().cgroups) as sampler,
        ):
            time.sleep(0.1)
            with Recorder(sampler.read, 0.002) as recorder:
                time.sleep(seconds)
        frame = recorder.frame()
        if "cpu_ns" not in frame:
            raise LabkitError("the CPU time of a container is not counted here", "labkit doctor shows the controllers")
        used = (frame["cpu_ns"] - frame["cpu_ns"].iloc[0]) / 1e9
        found.append(pd.DataFrame({"period": period, "time": frame["time"], "used": used}))
    return pd.concat(found, ignore_index=True)


def free(curve: pd.DataFrame) -> float:
    """The CPUs that the loop got under no quota: the median over the windows of what `measure` gives."""
    return float(curve[curve["asked"].isna()]["got"].median())


def figure(curve: pd.DataFrame) -> Figure:
    """CPU time and speed over the quota; `curve` is what `measure` gives."""
    under = curve[curve["asked"].notna()]
    series = {
        "CPU time, by the kernel's count": Median("asked", "got")(under),
        "speed, by the loop's own count": Median("asked", "work")(under),
    }
    return response(series, "quota, CPUs", "got: CPUs, or part of its speed under no quota", ceiling=free(curve))


def in_words(curve: pd.DataFrame) -> str:
    """How far the kernel was off the quota where it was most, and what the host had to give at all."""
    medians, most = Median("asked", "got")(curve), free(curve)
    off = (medians["median"] / medians["asked"] - 1).abs()
    worst = medians.iloc[int(off.to_numpy().argmax())]
    text = (
        f"Of the {len(medians)} quotas, the one of {worst['asked']:g} CPUs was met worst: {worst['median']:.3f} CPUs, "
        f"{off.max():.1%} off."
    )
    inside = medians[(medians["low"] <= medians["asked"]) & (medians["asked"] <= medians["high"])]
    if medians["low"].notna().all():
        text += f" The interval holds the quota itself for {len(inside)} of them."
    if most < _IDLE:
        text += f" The host was busy meanwhile: under no quota the loop got {most:.2f} CPUs."
    return text


def work_in_words(curve: pd.DataFrame) -> str:
    """How the loop's own speed compares with its quota, over all windows; `curve` is what `measure` gives."""
    under = curve[curve["asked"].notna()]
    ratio = (under["work"] / under["got"]).median()
    half = float(under["asked"].iloc[int((under["asked"] - 0.5).abs().to_numpy().argmin())])
    near = under[under["asked"] == half]
    return (
        f"Under a quota of {half:g} CPUs the loop was stopped in {near['throttled'].median():.0%} of the periods and "
        f"went at {near['work'].median():.0%} of its speed under none; over all quotas, speed ÷ CPU time is "
        f"{style.number(float(ratio))}."
    )


def stairs_figure(steps: pd.DataFrame, quota: float) -> Figure:
    """CPU time over time for each period; `steps` is what `stairs` gives under `quota`."""
    lines = {
        f"period {1000 * float(str(period)):g} ms": pd.DataFrame({"time": rows["time"], "amount": 1000 * rows["used"]})
        for period, rows in steps.groupby("period")
    }
    return cumulative(lines, [1000 * quota], "CPU time used, ms")


def stairs_in_words(steps: pd.DataFrame) -> str:
    """The longest time for which the loop stood still, for each period; `steps` is what `stairs` gives."""
    said = []
    for period, rows in steps.groupby("period"):
        moved = rows[rows["used"].diff().fillna(1) > 0]["time"]
        still = float(moved.diff().max())
        said.append(f"up to {still * 1000:.0f} ms with a period of {float(str(period)) * 1000:g} ms")
    return f"The loop stands still for {style.list_in_words(said)}."

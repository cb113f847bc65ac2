"""What each workload costs in each runtime, as a ratio to a baseline, whichever way its own metric counts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.stats.ratio import RatioToBaseline
from labkit.stats.stability import Stability
from labkit.workloads.all import WORKLOADS
from labkit.workloads.workload import Workload

BASELINES = ("host", "runc")
# Parts of a workload's time that it tells apart.
PARTS = ("import", "loop", "arrays")
_CALL = "syscall_"
COLUMNS = (
    "group",
    "workload",
    "metric",
    "unit",
    "runtime",
    "baseline",
    "n",
    "median",
    "ratio",
    "low",
    "high",
    "warning",
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A metric of a workload that has a cost of its own: the workload's main one, or one operation among several."""

    name: str
    group: str
    workload: str
    metric: str
    higher: bool


def main_quantities(workloads: Sequence[Workload] = WORKLOADS) -> tuple[Quantity, ...]:
    """One quantity for each workload, named after it."""
    return tuple(Quantity(one.name, one.group, one.name, one.main, one.higher) for one in workloads)


def operations(observations: pd.DataFrame, workloads: Sequence[Workload] = WORKLOADS) -> tuple[Quantity, ...]:
    """One quantity for each operation that a workload times on its own: metrics named `syscall_…`, and PARTS."""
    groups = {one.name: one.group for one in workloads}
    pairs = observations[["condition", "metric"]].drop_duplicates().to_numpy()
    return tuple(
        Quantity(metric.removeprefix(_CALL), groups[workload], workload, metric, False)
        for workload, metric in pairs
        if workload in groups and (metric.startswith(_CALL) or metric in PARTS)
    )


def as_costs(observations: pd.DataFrame, quantities: Sequence[Quantity]) -> pd.DataFrame:
    """The rows of each quantity, under its name as condition and the metric `cost`: its value, or 1/value.

    What is counted per second becomes seconds, so that a larger cost is the worse one for all of them.
    """
    frames = [observations.iloc[:0]]
    for one in quantities:
        rows = observations[(observations["condition"] == one.workload) & (observations["metric"] == one.metric)]
        value = 1 / rows["value"].where(rows["value"] > 0) if one.higher else rows["value"]
        frames.append(rows.assign(value=value, condition=one.name, metric="cost"))
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]


@dataclass(frozen=True, slots=True)
class Cost:
    """median(cost in a runtime) / median(cost in the baseline), paired by block; see RatioToBaseline.

    2 means: twice the time, or half the throughput. `median` is in the metric's own `unit`. `warning` is Stability's of
    the runtime's series; it tells of too few blocks as well. `quantities` are by default the workloads' main ones.
    """

    baselines: tuple[str, ...] = BASELINES
    quantities: tuple[Quantity, ...] = main_quantities()
    level: float = 0.95
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (workload, runtime, baseline), in the quantities' order; empty when nothing was measured."""
        costs = as_costs(observations, self.quantities)
        warnings = {(row["condition"], row["runtime"]): row["warning"] for row in Stability()(costs).to_dict("records")}
        units = dict(zip(costs["condition"], costs["unit"], strict=True))
        places = {one.name: place for place, one in enumerate(self.quantities)}
        rows = []
        for baseline in self.baselines:
            for row in RatioToBaseline(baseline, level=self.level, seed=self.seed)(costs).to_dict("records"):
                one = self.quantities[places[str(row["condition"])]]
                median = 1 / row["median"] if one.higher else row["median"]
                warning = warnings[(row["condition"], row["runtime"])]
                figures = (row["n"], median, row["ratio"], row["low"], row["high"])
                named = (one.group, one.name, one.metric, units[one.name], row["runtime"], baseline)
                rows.append((*named, *figures, warning))
        found = pd.DataFrame(rows, columns=list(COLUMNS))
        return found.sort_values("workload", key=lambda names: names.map(places), kind="stable", ignore_index=True)


def told_apart(rows: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each ratio's interval exists and leaves out 1."""
    return (rows["low"] > 1) | (rows["high"] < 1)


def geometric_mean(rows: pd.DataFrame, level_factor: float = 3.92) -> tuple[float, float, float]:
    """The geometric mean of ratios of different workloads, and its interval; NaN without all their intervals.

    The workloads were measured apart, so that the variances of the logarithms add up. `level_factor` is the width of
    an interval in standard errors.
    """
    logs = np.log(rows["ratio"].to_numpy(dtype=np.float64))
    errors = np.log((rows["high"] / rows["low"]).to_numpy(dtype=np.float64)) / level_factor
    if not len(logs):
        return float("nan"), float("nan"), float("nan")
    reach = level_factor / 2 * float(np.sqrt((errors**2).sum())) / len(logs)
    mean = float(logs.mean())
    return float(np.exp(mean)), float(np.exp(mean - reach)), float(np.exp(mean + reach))

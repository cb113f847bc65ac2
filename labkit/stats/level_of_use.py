"""What a workload uses in each runtime: CPU time, memory, page faults, switches; and per unit of useful work."""

from dataclasses import dataclass

import pandas as pd

from labkit.stats.median import Median
from labkit.stats.ratio import RatioToBaseline

COLUMNS = ("workload", "metric", "unit", "runtime", "n", "median", "low", "high", "ratio", "ratio_low", "ratio_high")
METRICS = ("cpu", "cpu_per_operation", "memory_peak", "page_faults", "switches")
# Sums of what was measured apart.
_SUMS = {"cpu": ("cpu_user", "cpu_system"), "switches": ("switches_voluntary", "switches_involuntary")}
_TRIAL = ["condition", "block", "position", "runtime"]


@dataclass(frozen=True, slots=True)
class LevelOfUse:
    """The median of each metric over the blocks, with its exact interval, and its ratio to the baseline.

    A job does the same work in every runtime, so that what it uses is per unit of work already; of a server,
    `cpu_per_operation` is. `cpu` is user and system together, `switches` those that a program asked for and those that
    befell it. Units: s, bytes, 1.
    """

    baseline: str = "runc"
    metrics: tuple[str, ...] = METRICS

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (workload, metric, runtime)."""
        good = with_sums(observations[observations["status"] == "ok"])
        good = good[good["metric"].isin(self.metrics)]
        ratios = RatioToBaseline(self.baseline)(good)
        found = {(row["condition"], row["metric"], row["runtime"]): row for row in ratios.to_dict("records")}
        nothing = {"ratio": float("nan"), "low": float("nan"), "high": float("nan")}
        lines = []
        for (workload, metric, unit), series in good.groupby(["condition", "metric", "unit"], observed=True):
            for row in Median("runtime", "value")(series).to_dict("records"):
                beside = found.get((workload, metric, row["runtime"]), nothing)
                own = (row["n"], row["median"], row["low"], row["high"])
                lines.append(
                    (workload, metric, unit, row["runtime"], *own, beside["ratio"], beside["low"], beside["high"])
                )
        return pd.DataFrame(lines, columns=list(COLUMNS))


def with_sums(observations: pd.DataFrame) -> pd.DataFrame:
    """The observations, and `cpu` and `switches` of each trial that has both of their parts."""
    frames = [observations]
    for name, parts in _SUMS.items():
        rows = observations[observations["metric"].isin(parts)]
        if len(rows):
            sums = rows.groupby(_TRIAL, as_index=False, observed=True).agg(
                value=("value", "sum"), parts=("value", "size")
            )
            whole = sums[sums["parts"] == len(parts)][[*_TRIAL, "value"]]
            first = rows.drop_duplicates(_TRIAL).drop(columns=["value"])
            frames.append(first.merge(whole, on=_TRIAL).assign(metric=name))
    return pd.concat(frames, ignore_index=True) if len(frames) > 1 else observations


def memory_by_part(observations: pd.DataFrame, workload: str) -> pd.DataFrame:
    """Columns runtime, part and memory (MiB, PSS): medians over the trials of a workload; empty without any.

    The parts are the roles of the host processes that a sandbox causes (see labkit.bench.usage).
    """
    rows = observations[(observations["condition"] == workload) & (observations["status"] == "ok")]
    rows = rows[rows["metric"].str.startswith("memory_") & (rows["metric"] != "memory_peak")]
    medians = rows.groupby(["runtime", "metric"], as_index=False, observed=True)["value"].median()
    return pd.DataFrame(
        {
            "runtime": medians["runtime"],
            "part": [str(name).removeprefix("memory_") for name in medians["metric"]],
            "memory": medians["value"] / 2**20,
        }
    )

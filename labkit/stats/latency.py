"""Percentiles of a latency: what a trial's requests took, summarized over the trials, and beside a baseline."""

from dataclasses import dataclass

import pandas as pd

from labkit.stats.median import Median
from labkit.stats.ratio import RatioToBaseline

COLUMNS = ("workload", "percentile", "runtime", "n", "median", "low", "high", "ratio", "ratio_low", "ratio_high")
_PREFIX = "latency_p"


@dataclass(frozen=True, slots=True)
class Latency:
    """For each percentile that a load tells (`latency_p99`): the median over blocks, and its ratio to the baseline.

    A percentile is reckoned within a trial, over its requests; the unit that is resampled is the block, as everywhere,
    since requests of one trial are not independent. `median`, `low` and `high` (Median's exact interval) are in s.
    """

    baseline: str = "runc"
    level: float = 0.95

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (workload, percentile, runtime); the ratio is NaN where the baseline was not measured."""
        rows = observations[observations["metric"].str.match(rf"{_PREFIX}[\d.]+$") & (observations["status"] == "ok")]
        ratios = RatioToBaseline(self.baseline, level=self.level)(rows)
        found = {(row["condition"], row["metric"], row["runtime"]): row for row in ratios.to_dict("records")}
        nothing = {"ratio": float("nan"), "low": float("nan"), "high": float("nan")}
        lines = []
        for (workload, metric), series in rows.groupby(["condition", "metric"], sort=True, observed=True):
            for row in Median("runtime", "value", self.level)(series).to_dict("records"):
                beside = found.get((workload, metric, row["runtime"]), nothing)
                own = (row["n"], row["median"], row["low"], row["high"])
                percentile = float(str(metric).removeprefix(_PREFIX))
                ratio = (beside["ratio"], beside["low"], beside["high"])
                lines.append((workload, percentile, row["runtime"], *own, *ratio))
        frame = pd.DataFrame(lines, columns=list(COLUMNS))
        return frame.sort_values(["workload", "percentile"], kind="stable", ignore_index=True)

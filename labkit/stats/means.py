"""Means beside medians: where the choice of one or the other decides what is concluded."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.stats.ratio import Array, RatioToBaseline

COLUMNS = ("condition", "metric", "runtime", "n", "of_medians", "of_means", "verdict")
REVERSED, ONE_ONLY, SAME = "reversed", "one of them alone", "the same"
# How a published figure's workload is named where it is a ratio of means.
_MARK = " (means)"


@dataclass(frozen=True, slots=True)
class Means:
    """The ratio of medians and the ratio of means of each series, and whether both say the same.

    `reversed`: one lies above 1 with its whole interval and the other below. `one of them alone`: only one can be told
    from 1. The intervals are RatioToBaseline's, by the same blocks.
    """

    baseline: str = "runc"
    level: float = 0.95
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (condition, metric, runtime) whose intervals exist; the baseline itself is left out."""
        medians, means = (
            RatioToBaseline(self.baseline, statistic, self.level, seed=self.seed)(observations)
            for statistic in (np.median, np.mean)
        )
        both = medians.merge(means, on=["condition", "metric", "runtime", "n"], suffixes=("", "_of_means"))
        both = both[both["runtime"] != self.baseline].dropna(subset=["low", "low_of_means"])
        lines = [
            (row["condition"], row["metric"], row["runtime"], row["n"], row["ratio"], row["ratio_of_means"],
             verdict(_side(row["low"], row["high"]), _side(row["low_of_means"], row["high_of_means"])))
            for row in both.to_dict("records")
        ]  # fmt: skip
        return pd.DataFrame(lines, columns=list(COLUMNS))


def verdict(median: int, mean: int) -> str:
    """What two conclusions have in common, each +1 for more than the baseline, -1 for less, 0 for neither."""
    if median * mean < 0:
        return REVERSED
    return SAME if median == mean else ONE_ONLY


def _side(low: float, high: float) -> int:
    return int(low > 1) - int(high < 1)


def published_pairs(figures: pd.DataFrame) -> pd.DataFrame:
    """Columns workload, runtime, n, of_medians and of_means: published figures that were given both ways.

    `figures`: the rows of data/published/figures.csv, where the name of one of the two ends in "(means)".
    """
    means = figures[figures["workload"].str.endswith(_MARK)]
    means = means.assign(workload=means["workload"].str.removesuffix(_MARK))
    keys = ["workload", "runtime", "platform", "baseline", "source"]
    both = figures.merge(means, on=keys, suffixes=("", "_of_means"))
    return both[["workload", "runtime", "n", "ratio", "ratio_of_means", "source"]].rename(
        columns={"ratio": "of_medians", "ratio_of_means": "of_means"}
    )


def such_times(n: int, ratio: float, share: float, factor: float, seed: int) -> tuple[Array, Array]:
    """Times of a baseline and of a runtime, made up: it takes `ratio` times as long, but never gets stuck.

    A `share` of the baseline's take `factor` times as long, as a download does that meets a loss. Both have 3 % noise.
    """
    rng = np.random.default_rng(seed)
    stuck = np.zeros(n, dtype=bool)
    stuck[rng.choice(n, size=round(share * n), replace=False)] = True
    base = np.exp(rng.normal(0, 0.03, n)) * np.where(stuck, factor, 1.0)
    return base, ratio * np.exp(rng.normal(0, 0.03, n))

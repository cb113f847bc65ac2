"""Ratio of each runtime to a baseline, paired by block, with a bootstrap confidence interval."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import numpy as np
import pandas as pd

from labkit.errors import LabkitError
from labkit.stats.blocks import tables

Array = np.ndarray[Any, np.dtype[np.float64]]
# Of an array along `axis`, as numpy's own statistics take it.
Statistic = Callable[..., Any]

COLUMNS = ("condition", "metric", "runtime", "baseline", "n", "median", "ratio", "low", "high")


def fewest(level: float) -> int:
    """The smallest n at which an interval of a median can have this level: the whole range has 1 - 2 * 0.5**n."""
    return ceil(log2(2 / (1 - level)))


@dataclass(frozen=True, slots=True)
class RatioToBaseline:
    """statistic(runtime) / statistic(baseline) over the blocks that hold both, with a `level` interval.

    The unit that is resampled is the block: within a block all runtimes met the same state of the machine, so a
    resample keeps them together, and a drift that hits both cancels in the ratio.

    The interval is the percentile bootstrap's. BCa would correct its bias and skewness, but takes its acceleration
    from the jackknife, which is inconsistent for a median (Efron and Tibshirani, An Introduction to the Bootstrap,
    1993, section 11.6); for a median the percentile interval is close to the exact one from order statistics.

    `statistic` takes an array and `axis`, as numpy.median does. Units: `median` is in the observations' unit (s), the
    ratio has none. With too few blocks (see `fewest`) there is no interval, and low and high are NaN.
    """

    baseline: str
    statistic: Statistic = np.median
    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise LabkitError(f"confidence level {self.level} is not between 0 and 1", "0.95 is usual")
        if self.resamples < 1:
            raise LabkitError(f"{self.resamples} resamples give no interval", "4000 is usual")

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (condition, metric, runtime); none where the baseline itself was not measured."""
        rows = []
        for condition, metric, table in tables(observations):
            if self.baseline not in table:
                continue
            for runtime in sorted(table.columns):
                paired = table[[runtime, self.baseline]].to_numpy(dtype=np.float64)
                paired = paired[~np.isnan(paired).any(axis=1)]
                if len(paired):
                    median = float(np.median(paired[:, 0]))
                    rows.append((condition, metric, runtime, self.baseline, len(paired), median, *self._ratio(paired)))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def drawn(self, table: pd.DataFrame) -> tuple[float, Array]:
        """The ratio of a table's first column to its second, a row a block, and `resamples` of blocks drawn anew.

        None of these with too few blocks for an interval (see `fewest`).
        """
        paired = table.to_numpy(dtype=np.float64)
        return self._drawn(paired[~np.isnan(paired).any(axis=1)])

    def _drawn(self, paired: Array) -> tuple[float, Array]:
        above, below = self.statistic(paired, axis=0)
        n = len(paired)
        if n < fewest(self.level):
            return float(above / below), np.empty(0)
        # A generator of its own for each series: an interval does not depend on which other runtimes are there.
        picks = np.random.default_rng(self.seed).integers(n, size=(self.resamples, n))
        resampled = self.statistic(paired[picks], axis=1)
        return float(above / below), resampled[:, 0] / resampled[:, 1]

    def _ratio(self, paired: Array) -> tuple[float, float, float]:
        """Ratio, low and high of an array of (runtime, baseline) rows, one row a block."""
        ratio, drawn = self._drawn(paired)
        if not len(drawn):
            return ratio, np.nan, np.nan
        tail = (1 - self.level) / 2
        low, high = np.quantile(drawn, [tail, 1 - tail])
        return ratio, float(low), float(high)

"""The median of each group with its exact interval."""

from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True)
class Median:
    """The median of column `value` for each value of `by`, and the interval between two order statistics.

    The interval is distribution-free: that between the k-th smallest and k-th largest of n independent values holds the
    median with probability 1 - 2 P(B < k), B binomial(n, 1/2) (Conover, Practical Nonparametric Statistics, 1999,
    section 3.2). The narrowest of at least `level` is taken. Below 6 values none has 0.95, and low and high are NaN.
    """

    by: str
    value: str
    level: float = 0.95

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """One row per value of `by`, in their order: that value, `median`, `low`, `high` and `n`."""
        found = []
        for key, group in rows.groupby(self.by):
            values = np.sort(group[self.value].to_numpy(dtype=np.float64))
            rank = self._rank(len(values))
            low, high = (values[rank - 1], values[-rank]) if rank else (np.nan, np.nan)
            found.append((key, float(np.median(values)), float(low), float(high), len(values)))
        return pd.DataFrame(found, columns=[self.by, "median", "low", "high", "n"])

    def _rank(self, n: int) -> int:
        """The largest k whose interval has the level; 0 where even the whole range has not."""
        outside, rank = 0.0, 0
        for k in range(1, n // 2 + 1):
            outside += comb(n, k - 1) / 2**n
            if 1 - 2 * outside < self.level:
                break
            rank = k
        return rank

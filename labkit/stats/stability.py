"""Whether a series of measurements is steady enough to be summarized by one number."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import pandas as pd

from labkit.stats.blocks import tables
from labkit.stats.ratio import Array

COLUMNS = ("condition", "metric", "runtime", "n", "cv", "max_to_median", "drift", "autocorrelation", "warning")


@dataclass(frozen=True, slots=True)
class Stability:
    """The checks of pyperf's `check`, and two that see order: drift and autocorrelation.

    cv: standard deviation ÷ mean, warned of above `cv` (pyperf: 10 %). max_to_median: warned of above `largest`
    (pyperf warns when the maximum is 50 % above the mean; a median is not moved by the maximum itself). drift:
    Spearman's rank correlation of value and block. autocorrelation: of ranks, at lag 1. The last two are warned of
    when they would be that far from 0 with probability `significance` in a series without order, by the normal
    approximation. `fewest` is the smallest n at which a 95 % interval of a median exists at all: 1 - 2 · 0.5ⁿ.
    """

    cv: float = 0.10
    largest: float = 1.5
    significance: float = 0.001
    fewest: int = 6

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (condition, metric, runtime); `warning` is empty for a steady series."""
        rows = [
            (condition, metric, runtime, *self._check(table[runtime].dropna().to_numpy(dtype=np.float64)))
            for condition, metric, table in tables(observations)
            for runtime in sorted(table.columns)
        ]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _check(self, values: Array) -> tuple[int, float, float, float, float, str]:
        n = len(values)
        if n < 3:
            return n, np.nan, np.nan, np.nan, np.nan, f"only {_blocks(n)}: too few to judge"
        cv = float(values.std(ddof=1) / values.mean())
        largest = float(values.max() / np.median(values))
        ranks = _ranks(values)
        drift = _correlation(ranks, np.arange(n, dtype=np.float64))
        repeat = _correlation(ranks[:-1], ranks[1:])
        beyond = NormalDist().inv_cdf(1 - self.significance / 2)
        warnings = []
        if n < self.fewest:
            warnings.append(f"only {_blocks(n)}: a 95 % interval of a median needs {self.fewest}")
        if cv > self.cv:
            warnings.append(f"the standard deviation is {cv:.1%} of the mean")
        if largest > self.largest:
            warnings.append(f"the slowest is {largest:.1f} times the median")
        # Both coefficients have a variance of about 1/n when order means nothing.
        if abs(drift) * sqrt(n - 1) > beyond:
            warnings.append(
                f"it {'slows down' if drift > 0 else 'speeds up'} over the run (rank correlation {drift:.2f})"
            )
        elif abs(repeat) * sqrt(n - 1) > beyond:
            warnings.append(f"neighbouring blocks are alike (autocorrelation {repeat:.2f})")
        return n, cv, largest, drift, repeat, "; ".join(warnings)


def _blocks(n: int) -> str:
    return "1 block" if n == 1 else f"{n} blocks"


def _ranks(values: Array) -> Array:
    """Ranks from 1, ties sharing the mean of theirs."""
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def _correlation(a: Array, b: Array) -> float:
    """Pearson's coefficient; 0 for a constant, in which nothing can go together."""
    a = a - a.mean()
    b = b - b.mean()
    scale = sqrt(float((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale else 0.0

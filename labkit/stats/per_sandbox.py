"""What one more idle sandbox takes, from the memory of more and more of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from labkit.bench.lives import IDLE
from labkit.stats.ratio import fewest

COLUMNS = ("metric", "runtime", "n", "each", "low", "high", "first")


@dataclass(frozen=True, slots=True)
class PerSandbox:
    """The slope of memory over the number of sandboxes: the median over blocks, with a percentile bootstrap interval.

    In each block a straight line is laid through the levels by least squares. Its slope is what one more sandbox
    takes; what the first takes besides (`first`: the line at 0) is shared by all, or was there before. The unit that is
    resampled is the block. With fewer blocks than an interval needs (see `ratio.fewest`), low and high are NaN.
    """

    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (metric, runtime): `n` blocks, `each`, `low`, `high` and `first` in the metric's unit."""
        good = observations[(observations["experiment"] == IDLE) & (observations["status"] == "ok")]
        rows: list[tuple[Any, ...]] = []
        for (metric, runtime), group in good.groupby(["metric", "runtime"], sort=True, observed=True):
            lines = [
                np.polynomial.Polynomial.fit(count, block["value"].to_numpy(float), 1).convert().coef
                for _, block in group.groupby("block")
                if len(count := block["condition"].str.split().str[0].to_numpy(float)) > 1
            ]
            if lines:
                firsts, slopes = np.array([[*line, 0.0][:2] for line in lines]).T
                rows.append((str(metric), str(runtime), len(slopes), *self._interval(slopes), float(np.median(firsts))))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _interval(self, slopes: "np.ndarray[Any, np.dtype[np.float64]]") -> tuple[float, float, float]:
        if len(slopes) < fewest(self.level):
            return float(np.median(slopes)), float("nan"), float("nan")
        rng = np.random.default_rng(self.seed)
        medians = np.median(rng.choice(slopes, size=(self.resamples, len(slopes))), axis=1)
        tail = (1 - self.level) / 2
        low, high = np.quantile(medians, [tail, 1 - tail])
        return float(np.median(slopes)), float(low), float(high)

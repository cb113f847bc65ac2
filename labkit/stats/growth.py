"""What the last of many containers costs over the first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.bench.engine import EDGE


@dataclass(frozen=True, slots=True)
class Growth:
    """The median over all series of median(last `edge` starts) / median(first `edge`), with a bootstrap interval.

    A single start says little, so that the first and the thousandth each stand for their neighbours. Whole series are
    resampled, which is the highest level that varies: within one the host drifts. One alone has no interval.
    """

    edge: int = EDGE
    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> dict[str, float]:
        """`first` and `last` in s, their `ratio`, its interval `low` to `high`, `n` containers in each `series`."""
        starts = observations[observations["metric"] == "start"].sort_values("block")
        each = [group["value"].to_numpy() for _, group in starts.groupby("position")]
        edges = np.array([(np.median(one[: self.edge]), np.median(one[-self.edge :])) for one in each])
        ratios = edges[:, 1] / edges[:, 0]
        low = high = np.nan
        if len(ratios) > 1:
            drawn = np.random.default_rng(self.seed).choice(ratios, size=(self.resamples, len(ratios)))
            tail = (1 - self.level) / 2
            low, high = np.quantile(np.median(drawn, axis=1), [tail, 1 - tail])
        return {
            "n": float(len(each[0])),
            "series": float(len(each)),
            "first": float(np.median(edges[:, 0])),
            "last": float(np.median(edges[:, 1])),
            "ratio": float(np.median(ratios)),
            "low": float(low),
            "high": float(high),
        }

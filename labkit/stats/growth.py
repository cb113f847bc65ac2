"""What the last of many containers costs over the first."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.bench.engine import EDGE


@dataclass(frozen=True, slots=True)
class Growth:
    """median(last `edge` starts) / median(first `edge`) with a percentile bootstrap interval.

    A single start says little, so that the first and the thousandth each stand for their neighbours. The two sides are
    not paired, and resampled on their own.
    """

    edge: int = EDGE
    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> dict[str, float]:
        """`first` and `last` in s, their `ratio`, its interval `low` to `high`, and `n` containers in all."""
        starts = observations[observations["metric"] == "start"].sort_values("block")["value"].to_numpy()
        first, last = starts[: self.edge], starts[-self.edge :]
        rng = np.random.default_rng(self.seed)
        below, above = (np.median(rng.choice(side, size=(self.resamples, len(side))), axis=1) for side in (first, last))
        tail = (1 - self.level) / 2
        low, high = np.quantile(above / below, [tail, 1 - tail])
        medians = float(np.median(first)), float(np.median(last))
        return {
            "n": float(len(starts)),
            "first": medians[0],
            "last": medians[1],
            "ratio": medians[1] / medians[0],
            "low": float(low),
            "high": float(high),
        }

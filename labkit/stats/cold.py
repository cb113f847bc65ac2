"""What the first start costs over the ones that follow: cold ÷ warm, each runtime against itself."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.stats.blocks import tables

COLUMNS = ("metric", "runtime", "n_cold", "n_warm", "cold", "warm", "ratio", "low", "high")


@dataclass(frozen=True, slots=True)
class ColdOverWarm:
    """median(cold) / median(warm) with a percentile bootstrap interval.

    Cold and warm blocks are not paired (they are separate designs, of different sizes), so that each side is
    resampled on its own. `cold` and `warm` are medians in the observations' unit (s).
    """

    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (metric, runtime) that was measured both cold and warm."""
        found = {(condition, metric): table for condition, metric, table in tables(observations)}
        rows = []
        for metric in sorted({metric for _, metric in found}):
            cold, warm = (found.get((condition, metric), pd.DataFrame()) for condition in ("cold", "warm"))
            for runtime in sorted(set(cold.columns) & set(warm.columns)):
                rows.append((metric, runtime, *self._ratio(cold[runtime].dropna(), warm[runtime].dropna())))
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _ratio(
        self, cold: "pd.Series[float]", warm: "pd.Series[float]"
    ) -> tuple[int, int, float, float, float, float, float]:
        rng = np.random.default_rng(self.seed)
        above, below = (
            np.median(rng.choice(side.to_numpy(), size=(self.resamples, len(side))), axis=1) for side in (cold, warm)
        )
        tail = (1 - self.level) / 2
        low, high = np.quantile(above / below, [tail, 1 - tail]) if min(len(cold), len(warm)) > 1 else (np.nan, np.nan)
        medians = float(cold.median()), float(warm.median())
        return len(cold), len(warm), *medians, medians[0] / medians[1], float(low), float(high)

"""Whether the ratios that are wanted were reached."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.bench.engine import TARGETS, Target
from labkit.stats.ratio import RatioToBaseline

COLUMNS = (
    "what",
    "metric",
    "runtime",
    "baseline",
    "bound",
    "at_least",
    "n",
    "median",
    "ratio",
    "low",
    "high",
    "verdict",
)


@dataclass(frozen=True, slots=True)
class Targets:
    """Each target with the ratio of medians (`RatioToBaseline`) and a verdict.

    `met` and `missed` go by the ratio. Where its interval holds the bound, or there is no interval, the verdict says
    so: another run might come out the other way. `not measured` is a target of which one side is lacking.
    """

    targets: Sequence[Target] = TARGETS
    level: float = 0.95
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per target, in their order; `median` is that of `runtime`, in the observations' unit."""
        compared = self._with_what_is_allowed(observations)
        ratios = {
            baseline: RatioToBaseline(baseline, level=self.level, seed=self.seed)(compared)
            for baseline in {target.baseline for target in self.targets}
        }
        return pd.DataFrame(
            [self._row(target, ratios[target.baseline]) for target in self.targets], columns=list(COLUMNS)
        )

    def _with_what_is_allowed(self, observations: pd.DataFrame) -> pd.DataFrame:
        """The observations, and for a target with a fixed value that value as its baseline's, wherever it has one."""
        frames = [observations]
        for target in self.targets:
            if target.allowed:
                own = (observations["metric"] == target.metric) & (observations["runtime"] == target.runtime)
                frames.append(observations[own].assign(runtime=target.baseline, value=target.allowed))
        return pd.concat(frames, ignore_index=True) if len(frames) > 1 else observations

    def _row(self, target: Target, ratios: pd.DataFrame) -> tuple[object, ...]:
        named = (target.what, target.metric, target.runtime, target.baseline, target.bound, target.at_least)
        found = ratios[(ratios["metric"] == target.metric) & (ratios["runtime"] == target.runtime)]
        if found.empty:
            return *named, 0, np.nan, np.nan, np.nan, np.nan, "not measured"
        row = found.iloc[0]
        figures = (float(row[name]) for name in ("median", "ratio", "low", "high"))
        return *named, int(row["n"]), *figures, _verdict(target, row["ratio"], row["low"], row["high"])


def _verdict(target: Target, ratio: float, low: float, high: float) -> str:
    word = "met" if target.met(ratio) else "missed"
    if low != low:
        return f"{word}, without an interval"
    return word if target.met(low) == target.met(high) else f"{word}, within the interval"

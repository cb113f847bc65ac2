"""Two runs set beside each other: whether the ratios to runc of one are those of the other."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.stats.blocks import tables
from labkit.stats.ratio import RatioToBaseline

COLUMNS = ("experiment", "condition", "metric", "runtime", "first", "second", "ratio", "low", "high", "verdict")
AGREE, DIFFER, UNKNOWN = "agree", "differ", "too few blocks"


@dataclass(frozen=True, slots=True)
class Compare:
    """The ratio of ratios, second ÷ first, of each series that both runs have together with the baseline.

    What a host makes slower for everybody cancels in a ratio to runc; what is left is how a runtime's price differs.
    The runs are independent, and each is resampled by blocks on its own. `differ`: the interval leaves out 1. By chance
    one in twenty would at the 95 % level, where nothing differs.
    """

    baseline: str = "runc"
    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __call__(self, first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
        """One row per (experiment, condition, metric, runtime); `first` and `second` are ratios to the baseline."""
        lines = []
        for experiment in sorted(set(first["experiment"]) & set(second["experiment"])):
            sides = [
                self._ratios(one[one["experiment"] == experiment], seed) for seed, one in enumerate((first, second))
            ]
            for key in sorted(sides[0].keys() & sides[1].keys()):
                (above, drawn_above), (below, drawn_below) = sides[1][key], sides[0][key]
                low = high = float("nan")
                if len(drawn_above) and len(drawn_below):
                    tail = (1 - self.level) / 2
                    low, high = (float(end) for end in np.quantile(drawn_above / drawn_below, [tail, 1 - tail]))
                verdict = UNKNOWN if low != low else AGREE if low <= 1 <= high else DIFFER
                lines.append((experiment, *key, below, above, above / below, low, high, verdict))
        return pd.DataFrame(lines, columns=list(COLUMNS))

    def _ratios(self, rows: pd.DataFrame, offset: int) -> "dict[tuple[str, str, str], tuple[float, np.ndarray]]":
        """For each series the ratio to the baseline and resampled ones; none of these with too few blocks."""
        one = RatioToBaseline(self.baseline, level=self.level, resamples=self.resamples, seed=self.seed + offset)
        return {
            (condition, metric, runtime): one.drawn(table[[runtime, self.baseline]])
            for condition, metric, table in tables(rows)
            if self.baseline in table
            for runtime in table.columns
            if runtime != self.baseline and table[[runtime, self.baseline]].notna().all(axis=1).any()
        }


def different_facts(one: Mapping[str, object], other: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """(fact, of one, of the other) of what a figure depends on, where the hosts differ in it."""
    names = (
        "host kernel machine distribution cpu cpus memory_bytes cgroup_mode virtualization clocksource governor "
        "mitigations lsm labkit python"
    ).split()
    return [
        (name, str(one.get(name, "")), str(other.get(name, "")))
        for name in names
        if one.get(name, "") != other.get(name, "")
    ]


def different_versions(first: pd.DataFrame, second: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(runtime, version in the first, in the second) of what was measured in both in another version."""
    sides = [
        one[one["status"] == "ok"].groupby("runtime", observed=True)["version"].agg(lambda v: ", ".join(sorted(set(v))))
        for one in (first, second)
    ]
    return [
        (str(name), str(sides[0][name]), str(sides[1][name]))
        for name in sides[0].index.intersection(sides[1].index)
        if sides[0][name] != sides[1][name]
    ]

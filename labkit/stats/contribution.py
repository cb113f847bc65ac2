"""What each of several mechanisms contributes to a difference between all of them and none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.stats.blocks import tables
from labkit.stats.ratio import Array, fewest

COLUMNS = ("condition", "metric", "side", "part", "n", "value", "low", "high")
OUT, ALONE = "left out of the full one", "added to the bare one"
WHOLE, REST = "full − bare", "not explained by any alone"


@dataclass(frozen=True, slots=True)
class Contribution:
    """The contribution of each mechanism by a difference of two treatments, paired by block, with a `level` interval.

    `out` has by a mechanism the treatment that lacks it alone: its contribution is `full` less that one. `alone` has
    the one that has it alone: its contribution is that one less `bare`. A contribution is the median over the blocks
    of the differences within each.

    Where mechanisms do not act on each other, the contributions of a side add up to `full` less `bare`. What remains
    of that is a row of its own (REST), and if its interval does not hold 0 they do: left out alone a mechanism saves
    only what no other then takes its place for, and added alone it costs what several would share.

    The block is what is resampled, for all differences of a side at once, so that the remainder's interval has the
    covariance of its parts in it. Units: those of the observations (s). With too few blocks (see ratio.fewest) there is
    no interval, and low and high are NaN.
    """

    out: Mapping[str, str]
    alone: Mapping[str, str]
    full: str = "full"
    bare: str = "bare"
    level: float = 0.95
    resamples: int = 4000
    seed: int = 1

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """Rows of COLUMNS for each condition, metric and side: a row a mechanism, then REST and WHOLE."""
        found = []
        for condition, metric, table in tables(observations):
            if self.full not in table or self.bare not in table:
                continue
            for side, names in ((ALONE, self.alone), (OUT, self.out)):
                measured = {part: label for part, label in names.items() if label in table}
                if measured:
                    rows = self._side(table, side, measured)
                    found += [(condition, metric, side, *row) for row in rows]
        return pd.DataFrame(found, columns=list(COLUMNS))

    def _side(
        self, table: pd.DataFrame, side: str, names: Mapping[str, str]
    ) -> list[tuple[str, int, float, float, float]]:
        whole = table[[self.full, self.bare, *names.values()]].dropna().to_numpy(dtype=np.float64)
        n = len(whole)
        if not n:
            return []
        full, bare, others = whole[:, :1], whole[:, 1:2], whole[:, 2:]
        parts = full - others if side == OUT else others - bare
        differences = np.hstack([parts, full - bare])
        values = _with_rest(np.median(differences, axis=0, keepdims=True))[0]
        if n < fewest(self.level):
            nothing = np.full(len(values), np.nan)
            return list(self._rows(names, n, values, nothing, nothing))
        picks = np.random.default_rng(self.seed).integers(n, size=(self.resamples, n))
        # A column after the other, so that no more than its resamples are in memory at once.
        resampled = _with_rest(np.column_stack([np.median(column[picks], axis=1) for column in differences.T]))
        tail = (1 - self.level) / 2
        low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
        return list(self._rows(names, n, values, low, high))

    def _rows(
        self, names: Mapping[str, str], n: int, values: Array, low: Array, high: Array
    ) -> list[tuple[str, int, float, float, float]]:
        parts = [*names, REST, WHOLE]
        return [(part, n, float(values[at]), float(low[at]), float(high[at])) for at, part in enumerate(parts)]


def _with_rest(medians: Array) -> Array:
    """Rows of medians of the parts and of the whole, with what the parts leave of the whole before that."""
    parts, whole = medians[:, :-1], medians[:, -1:]
    return np.hstack([parts, whole - parts.sum(axis=1, keepdims=True), whole])


def as_times(observations: pd.DataFrame) -> pd.DataFrame:
    """The observations with each rate (1/s) as the time of one operation, which can be added up."""
    rates = observations["unit"] == "1/s"
    inverted = observations.copy()
    inverted.loc[rates, "value"] = 1 / inverted.loc[rates, "value"]
    inverted.loc[rates, "unit"] = "s"
    return inverted


def shares(contributions: pd.DataFrame, parts: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of mechanisms alone, largest first, without what is of no single one."""
    rows = contributions[~contributions["part"].isin([REST, WHOLE])]
    if parts:
        rows = rows[rows["part"].isin(parts)]
    return rows.sort_values("value", ascending=False, ignore_index=True)

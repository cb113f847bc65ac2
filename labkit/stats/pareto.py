"""Which runtimes no other beats in both of two costs."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from labkit.stats.ratio import Array

_JOINED = ("workload", "runtime")
_SIDES = ("cost", "reach")


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """Two costs of each runtime, less of either being better, and whether it is on the front.

    A runtime is on the front when no other has as little or less of both, and less of one, by the medians. It is
    `beaten` when that is so of the intervals too: the whole interval of another lies below its own in both costs, so
    that no draw of the blocks would bring it back. One that is neither is not told from the front.

    The `reference` takes no part, since it is no sandbox: it is neither on the front nor beaten, and beats nobody.

    Source: Ehrgott, Multicriteria Optimization (2005), section 2.1.
    """

    reference: str = "host"

    def __call__(self, cost: pd.DataFrame, reach: pd.DataFrame) -> pd.DataFrame:
        """One row per (workload, runtime) that both frames have, with columns cost, cost_low, cost_high, reach and its
        bounds, front and beaten.

        The frames have workload, runtime, value, low and high; bounds that are NaN stand for the value itself.
        """
        frames = [
            frame[[*_JOINED, "value", "low", "high"]].rename(
                columns={"value": side, "low": f"{side}_low", "high": f"{side}_high"}
            )
            for side, frame in zip(_SIDES, (cost, reach), strict=True)
        ]
        both = frames[0].merge(frames[1], on=list(_JOINED)).dropna(subset=list(_SIDES))
        marked = [self._marked(rows) for _, rows in both.groupby("workload", sort=False)]
        columns = [*both.columns, "front", "beaten"]
        return pd.concat(marked, ignore_index=True) if marked else pd.DataFrame(columns=columns)

    def _marked(self, rows: pd.DataFrame) -> pd.DataFrame:
        values = rows[list(_SIDES)].to_numpy(dtype=np.float64)
        low = rows[[f"{side}_low" for side in _SIDES]].to_numpy(dtype=np.float64)
        high = rows[[f"{side}_high" for side in _SIDES]].to_numpy(dtype=np.float64)
        low, high = np.where(np.isnan(low), values, low), np.where(np.isnan(high), values, high)
        own = (rows["runtime"] != self.reference).to_numpy()
        return rows.assign(
            front=[bool(own[at]) and not _below(values[own], one) for at, one in enumerate(values)],
            beaten=[bool(own[at]) and _below(high[own], one) for at, one in enumerate(low)],
        )


def _below(points: Array, one: Array) -> bool:
    """Whether any of the points is below `one` in a cost, and above it in none."""
    return bool(((points <= one).all(axis=1) & (points < one).any(axis=1)).any())

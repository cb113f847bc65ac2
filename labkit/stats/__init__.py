"""Statistics: parameter-only callables from a tidy DataFrame to a tidy DataFrame, one file each.

The input is what `labkit.bench.store.Run.observations()` gives: one row per (trial, metric), with `block`, `runtime`,
`condition`, `metric`, `value` and `status`.
"""

from labkit.stats.cold import ColdOverWarm
from labkit.stats.control import AAControl
from labkit.stats.missing import Missing
from labkit.stats.ratio import RatioToBaseline
from labkit.stats.stability import Stability

__all__ = ["AAControl", "ColdOverWarm", "Missing", "RatioToBaseline", "Stability"]

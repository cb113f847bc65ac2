"""Statistics: parameter-only callables from a tidy DataFrame to a tidy DataFrame, one file each.

The input is what `labkit.bench.store.Run.observations()` gives: one row per (trial, metric), with `block`, `runtime`,
`condition`, `metric`, `value` and `status`.
"""

from labkit.stats.beside import Beside
from labkit.stats.cold import ColdOverWarm
from labkit.stats.compare import Compare
from labkit.stats.contribution import Contribution
from labkit.stats.control import AAControl
from labkit.stats.cost import Cost
from labkit.stats.decision import Decision
from labkit.stats.growth import Growth
from labkit.stats.latency import Latency
from labkit.stats.level_of_use import LevelOfUse
from labkit.stats.median import Median
from labkit.stats.missing import Missing
from labkit.stats.pareto import ParetoFront
from labkit.stats.ratio import RatioToBaseline
from labkit.stats.stability import Stability
from labkit.stats.targets import Targets
from labkit.stats.validity import Validity

__all__ = [
    "AAControl",
    "Beside",
    "ColdOverWarm",
    "Compare",
    "Contribution",
    "Cost",
    "Decision",
    "Growth",
    "Latency",
    "LevelOfUse",
    "Median",
    "Missing",
    "ParetoFront",
    "RatioToBaseline",
    "Stability",
    "Targets",
    "Validity",
]

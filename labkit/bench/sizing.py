"""How many blocks a comparison needs, from what a pilot of it has shown.

Source: Kalibera & Jones, Rigorous Benchmarking in Reasonable Time (ISMM 2013), section 6; Hoefler & Belli, Scientific
Benchmarking of Parallel Computing Systems (SC 2015), rule 6 and section 4.2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, expm1, log, pi, sqrt
from statistics import NormalDist, stdev


def needed(ratios: Sequence[float], target: float, level: float = 0.95) -> int:
    """The number of blocks for a ratio's interval of ± `target` (0.05: 5 %), from the ratios of a pilot's blocks.

    The logarithms of the ratios are taken to be normal, and the median's variance π/2 times the mean's. Fewer than two
    ratios say nothing of their spread: then 0.
    """
    if len(ratios) < 2:
        return 0
    spread = stdev(log(ratio) for ratio in ratios)
    reach = NormalDist().inv_cdf((1 + level) / 2)
    return ceil(pi / 2 * (reach * spread / log(1 + target)) ** 2)


def half_width(ratios: Sequence[float], level: float = 0.95) -> float:
    """The half width, as a part of the ratio, that an interval from these ratios has by the same reckoning."""
    if len(ratios) < 2:
        return float("inf")
    reach = NormalDist().inv_cdf((1 + level) / 2)
    return expm1(reach * sqrt(pi / 2) * stdev(log(ratio) for ratio in ratios) / sqrt(len(ratios)))

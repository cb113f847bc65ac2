"""Randomised complete blocks: each block runs every treatment once, in an order drawn anew.

A drift of the host (temperature, neighbours, page cache) then hits every treatment alike, and two treatments are
compared within blocks. Source: Box, Hunter & Hunter, Statistics for Experimenters, chapter 4; Kalibera & Jones,
Rigorous Benchmarking in Reasonable Time (ISMM 2013).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one treatment: `position` is its place in the order of the block."""

    experiment: str
    condition: str
    block: int
    position: int
    runtime: str

    @property
    def key(self) -> str:
        """What names the trial among all of a run, whatever the order it was run in."""
        return f"{self.experiment}-{self.condition}-{self.block:05d}-{self.runtime}"


def blocks(experiment: str, condition: str, runtimes: Sequence[str], numbers: Iterable[int], seed: int) -> list[Trial]:
    """The blocks of these numbers, each of all `runtimes`; the same arguments give the same order."""
    trials = []
    for block in numbers:
        order = list(runtimes)
        random.Random(f"{seed} {experiment} {condition} {block}").shuffle(order)
        trials += [Trial(experiment, condition, block, position, runtime) for position, runtime in enumerate(order)]
    return trials

"""Randomised complete blocks: each block runs every treatment once, in an order drawn anew.

A drift of the host (temperature, neighbours, page cache) then hits every treatment alike, and two treatments are
compared within blocks. A trial also feels the one before it, whose remains the kernel may still be clearing away; so
the orders are drawn as Williams squares, in which every treatment follows every other equally often.

Source: Box, Hunter & Hunter, Statistics for Experimenters, chapter 4; Kalibera & Jones, Rigorous Benchmarking in
Reasonable Time (ISMM 2013); Williams, Experimental Designs Balanced for the Estimation of Residual Effects of
Treatments (1949).
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
    """The blocks of these numbers, each of all `runtimes`; the same arguments give the same order.

    Blocks 0 … n - 1 make up a square, as do the next n, with n as `williams` has rows.
    """
    rows = williams(len(runtimes))
    trials = []
    for block in numbers:
        square, row = divmod(block, len(rows))
        # Which treatment has which number, and which row comes when, is drawn anew for each square.
        draw = random.Random(f"{seed} {experiment} {condition} {square}")
        labels = draw.sample(list(runtimes), len(runtimes))
        order = draw.sample(rows, len(rows))[row]
        trials += [
            Trial(experiment, condition, block, position, labels[number]) for position, number in enumerate(order)
        ]
    return trials


def williams(count: int) -> list[list[int]]:
    """Orders of 0 … count - 1, in which each number follows each other one equally often: once, or twice if odd.

    `count` rows for an even number, twice as many for an odd one.
    """
    zigzag = [(place + 1) // 2 if place % 2 else (count - place // 2) % count for place in range(count)]
    rows = [[(number + shift) % count for number in zigzag] for shift in range(count)]
    return rows if count % 2 == 0 else rows + [row[::-1] for row in rows]

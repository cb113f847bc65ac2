"""What an experiment is to measure: the levels of its factors, and what bounds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labkit.errors import LabkitError
from labkit.workloads.all import chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What experiments with workloads and treatments as factors have in common; each adds its blocks.

    `labels` of treatments and names of `workloads`; `scale` is the size of each of these. No block is begun after
    `budget` s (0: no end). Without `emulated`, emulated machines are named and left out.
    """

    labels: Sequence[str]
    workloads: Sequence[str] = ()
    scale: float = 1.0
    budget: float = 0.0
    emulated: bool = True
    seed: int = 1


def check(workloads: Sequence[str], *blocks: int) -> None:
    """Raise LabkitError for a workload that is none, and for numbers of blocks with which nothing is measured."""
    chosen(tuple(workloads))
    if min(blocks) < 0 or sum(blocks) == 0:
        raise LabkitError("nothing to measure: no blocks", "give at least one block")

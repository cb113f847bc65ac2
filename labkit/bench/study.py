"""The study: every workload in every runtime, in randomised complete blocks, with an A/A control.

Factors: the workload (see workloads.all) and the treatment (see treatment). A block is one workload under each
treatment once, in an order drawn anew; a round is one block of each workload, in an order drawn anew. So a run that is
cut short has measured everything about equally often.
"""

from __future__ import annotations

from collections.abc import Sequence

from labkit.bench.startup import AGAIN
from labkit.bench.store import Run
from labkit.bench.work import Progress, work
from labkit.errors import LabkitError
from labkit.workloads.all import chosen

EXPERIMENT = "study"
LABELS = ("host", "labkit", "crun", "runc", AGAIN, "runsc-systrap", "runsc-ptrace", "runsc-kvm", "microvm")


def measure(
    run: Run,
    core_blocks: int,
    other_blocks: int,
    labels: Sequence[str] = LABELS,
    workloads: Sequence[str] = (),
    scale: float = 1.0,
    most_blocks: int = 0,
    target: float = 0.05,
    budget: float = 0.0,
    emulated: bool = True,
    seed: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run what `run` lacks: so many blocks of each core workload and of each other one.

    With `most_blocks` these are a pilot, from which each workload's number of blocks is sized, up to that many, so that
    its ratios have intervals of at most ± `target` (see sizing). No trial is begun after `budget` seconds (0: no end).
    Without `emulated`, emulated machines are named and left out.
    `progress` is called with (trials done, trials in all, what comes next). Raises LabkitError when nothing can be
    measured; a trial that fails is recorded, and the run goes on.
    """
    chosen(tuple(workloads))
    if min(core_blocks, other_blocks) < 0 or core_blocks + other_blocks == 0:
        raise LabkitError("nothing to measure: no blocks", "give at least one block")
    order = {
        "labels": list(labels),
        "workloads": list(workloads),
        "core_blocks": core_blocks,
        "other_blocks": other_blocks,
        "scale": scale,
        "most_blocks": most_blocks,
        "target": target,
        "budget": budget,
        "emulated": emulated,
        "seed": seed,
    }
    work("labkit.bench.study_worker", run, order, progress)

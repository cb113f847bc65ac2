"""The study: every workload in every runtime, in randomised complete blocks, with an A/A control.

Factors: the workload (see workloads.all) and the treatment (see treatment). A block is one workload under each
treatment once, in an order drawn anew; a round is one block of each workload, in an order drawn anew. So a run that is
cut short has measured everything about equally often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from labkit.bench.declaration import Declaration, check
from labkit.bench.startup import AGAIN
from labkit.bench.store import Run
from labkit.bench.work import Progress, work

EXPERIMENT = "study"
LABELS = ("host", "labkit", "crun", "runc", AGAIN, "runsc-systrap", "runsc-ptrace", "runsc-kvm", "microvm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study(Declaration):
    """`core_blocks` of each core workload, `other_blocks` of each other one; all workloads where none is named.

    With `most_blocks` these are a pilot, from which each workload's number of blocks is sized, up to that many, so that
    its ratios have intervals of at most ± `target` (see sizing).
    """

    labels: Sequence[str] = LABELS
    core_blocks: int
    other_blocks: int
    most_blocks: int = 0
    target: float = 0.05


def measure(run: Run, declared: Study, progress: Progress | None = None) -> None:
    """Run what `run` lacks of what is declared.

    `progress` is called with (trials done, trials in all, what comes next). Raises LabkitError when nothing can be
    measured; a trial that fails is recorded, and the run goes on.
    """
    check(declared.workloads, declared.core_blocks, declared.other_blocks)
    work("labkit.bench.study_worker", run, asdict(declared), progress)

"""The start-up experiment: every runtime, warm and cold, in randomised complete blocks, with an A/A control."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.bench.store import Run
from labkit.bench.work import Progress, work
from labkit.errors import LabkitError
from labkit.runtimes import COMPARED, NAMES

EXPERIMENT = "startup"
# The A/A control: runc under a second label. Where its ratio to runc is not 1, the method is at fault.
AGAIN = "runc-again"
STUDY = (*NAMES, AGAIN)
LABELS = (*STUDY, *COMPARED)


def measure(
    run: Run,
    runtimes: Sequence[str] | None = None,
    warm_blocks: int = 20,
    cold_blocks: int = 5,
    seed: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run blocks, in a process of their own, until `run` has as many complete ones as are asked for.

    `runtimes` are labels of LABELS (by default those of STUDY); one that is not available is recorded as such.
    `progress` is called with (trials done, trials in all, what comes next). Raises LabkitError when nothing can be
    measured; a trial that fails is recorded, and the run goes on.
    """
    labels = STUDY if runtimes is None else tuple(runtimes)
    unknown = [label for label in labels if label not in LABELS]
    if unknown:
        raise LabkitError(f"unknown runtime {unknown[0]!r}", f"the runtimes are {', '.join(LABELS)}", 2)
    if min(warm_blocks, cold_blocks) < 0 or warm_blocks + cold_blocks == 0:
        raise LabkitError("nothing to measure: no warm and no cold blocks", "give at least one block")
    order = {"runtimes": labels, "warm_blocks": warm_blocks, "cold_blocks": cold_blocks, "seed": seed}
    work("labkit.bench.startup_worker", run, order, progress)

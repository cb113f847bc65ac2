"""How sandboxes live, in three parts: the phases of one life, many asked for at once, and many that do nothing.

Each part is an experiment of its own in the store, in randomised complete blocks with an A/A control.
"""

from __future__ import annotations

from collections.abc import Sequence

from labkit.bench.startup import AGAIN
from labkit.bench.store import Run
from labkit.bench.work import Progress, work
from labkit.errors import LabkitError

PHASES, CROWD, IDLE = "phases", "crowd", "idle"
LABELS = ("host", "labkit", "labkit-cli", "labkit-oci", "crun", "runc", AGAIN,
          "runsc-systrap", "runsc-ptrace", "runsc-kvm", "microvm")  # fmt: skip


def measure(
    run: Run,
    blocks: int,
    crowds: Sequence[int] = (1, 4, 16, 64),
    idle: Sequence[int] = (1, 2, 4, 8),
    labels: Sequence[str] = LABELS,
    emulated: bool = True,
    seed: int = 1,
    progress: Progress | None = None,
) -> None:
    """Run `blocks` blocks of each part, as far as `run` lacks them.

    `crowds` are the numbers of sandboxes asked for at once, `idle` those of which the memory is measured;
    without `emulated`, emulated machines are named and left out, and of crowds always.
    `progress` is called with (trials done, trials in all, what comes next). Raises LabkitError when nothing can be
    measured; a trial that fails is recorded, and the run goes on.
    """
    if blocks < 1 or min((*crowds, *idle), default=1) < 1:
        raise LabkitError("nothing to measure: a number of blocks or sandboxes is below 1", "give at least one")
    order = {
        "blocks": blocks,
        "crowds": list(crowds),
        "idle": list(idle),
        "labels": list(labels),
        "emulated": emulated,
        "seed": seed,
    }
    work("labkit.bench.lives_worker", run, order, progress)

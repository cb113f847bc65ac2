"""A container that is made by this process, and left waiting to be started by another (runtime.md, Create)."""

from __future__ import annotations

import gc

from labkit.engine.hooks import wait_through
from labkit.engine.parent import life
from labkit.linux import kernel
from labkit.plan.plan import Plan


def create(plan: Plan, console: int = -1) -> None:
    """Make the container of a plan that is `held` and `left`; returns when it waits to be started.

    `console` is the socket for the master of the terminal that the plan opens. Raises StepError or LabkitError, with
    nothing left, when it cannot be made.
    """
    # The child shares this memory: a collection would write to all of it, and each page written is copied.
    gc.freeze()
    stdio = (0, 1, 2, console) if console >= 0 else (0, 1, 2)
    wait_through(life(plan, stdio, lambda pid, pidfd: None, kernel))

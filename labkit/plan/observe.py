"""A plan that stops after each of its steps until somebody has looked around."""

from __future__ import annotations

import marshal
import os

from labkit.errors import LabkitError
from labkit.plan.namespaces import AwaitParent
from labkit.plan.parent import Release
from labkit.plan.plan import Plan
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PARENT_DONE = "its own steps are done"


class AwaitObserver(Step):
    """`channel` is the socket to the observer, which parent and child share; the pid is told as the parent knows it."""

    __slots__ = ("channel", "number")
    channel: int
    number: int
    call = "write, read"
    why = "what a step has changed can be seen only between it and the next one"

    def describe(self) -> str:
        return f"wait until somebody has seen what step {self.number} has done"

    def apply(self, scene: Scene) -> None:
        # By the parent before it clones: the child keeps it.
        scene.observer = self.channel
        os.write(self.channel, marshal.dumps(("reached", self.number, scene.pid)))
        if not os.read(self.channel, 64):
            raise LabkitError("nobody watches any more", "keep the observer for as long as there are steps")


def observed(plan: Plan, channel: int) -> Plan:
    """The plan with a stop after each step but the last, by the numbers of `plan.rows()`.

    The child, which would act while its parent still does, waits for it first: one of the two stops at a time.
    """
    clone = len(plan.before) + 1
    before = _stops(plan.before, 1, channel)
    after = [AwaitObserver(channel, clone), *_stops(plan.after, clone + 1, channel), Release(_PARENT_DONE)]
    child = [AwaitParent(_PARENT_DONE), *_stops(plan.child, clone + 1 + len(plan.after), channel)]
    # After the last there is nobody who could stop: it has become the program.
    del child[-1]
    return Plan(
        *(plan.id, plan.clone, tuple(before), tuple(after), tuple(child), plan.notes, plan.hooks, plan.about),
        *(plan.left, plan.kept),
    )


def _stops(steps: Iterable[Step], first: int, channel: int) -> list[Step]:
    made: list[Step] = []
    for number, step in enumerate(steps, first):
        made.append(step)
        # What lets the child go on must not be followed by a stop of the parent.
        if not isinstance(step, Release):
            made.append(AwaitObserver(channel, number))
    return made

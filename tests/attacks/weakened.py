"""The engine in this process and not in its spawner, so that a test can make it weaker by one mechanism.

A test may leave a step out, replace one, put one of its own between two, or replace one call of the kernel.
"""

import os
from types import SimpleNamespace

from labkit.engine.hooks import wait_through
from labkit.engine.parent import life
from labkit.linux import kernel
from labkit.plan.step import Step


class Result:
    """What became of an attack: the exit status of its program, and what that wrote."""

    def __init__(self, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr

    def __repr__(self):
        return f"<{self.status}: {self.stdout!r} {self.stderr!r}>"


def run_plan(plan, calls=kernel, stdin=None, stdio=None, started=None):
    """Live the plan through to its end, here; raises what the engine raises."""
    files = [stdin if stdin is not None else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)]
    files += [os.memfd_create(name, os.MFD_CLOEXEC) for name in ("stdout", "stderr")]
    statuses = []

    def running(pid, pidfd):
        if started:
            started()

    def living():
        statuses.append((yield from life(plan, stdio or tuple(files), running, calls)))

    try:
        wait_through(living())
        written = [os.pread(file, 2**20, 0).decode(errors="replace") for file in files[1:]]
        return Result(statuses[0], *written)
    finally:
        for file in files[1 if stdin is not None else 0 :]:
            os.close(file)


def with_calls(**replaced):
    """The kernel as steps know it, with some of its calls replaced."""
    return SimpleNamespace(**{name: getattr(kernel, name) for name in kernel.__all__} | replaced)


class Meanwhile(Step):
    """What the attacker does at this very point, or what can be seen then: a function of the scene."""

    __slots__ = ("act",)
    call = why = "a test's"

    def describe(self):
        return "let the attacker act"

    def apply(self, scene):
        self.act(scene)


def insert(kind, act, after=False):
    """For `steps`: put `act` before, or after, the first step of the class `kind`."""

    def change(steps):
        place = next(number for number, step in enumerate(steps) if isinstance(step, kind)) + after
        return (*steps[:place], Meanwhile(act), *steps[place:])

    return change


def replace(kind, weaker):
    """For `steps`: make each step of the class `kind` one of its subclass `weaker`, which has no fields more."""

    def change(steps):
        for step in steps:
            if type(step) is kind:
                step.__class__ = weaker
        return steps

    return change

"""Run `innocent` in a running container, and end before it: ID PROGRAM [unwritable].

PROGRAM, as the host sees it, becomes a link to /proc/self/exe when GuardInterpreter has looked at it.
"""

import os
import sys

from labkit.engine import execute, state
from labkit.engine.configure import configure
from labkit.engine.create import create
from labkit.linux.interpreter import run_unwritable
from labkit.plan.execute import GuardInterpreter
from labkit.plan.manner import Manner


class ThenExchanged(GuardInterpreter):
    """The attacker, in the container, is as quick as can be."""

    __slots__ = ()

    def apply(self, scene):
        super().apply(scene)
        os.unlink("/bin/innocent")
        os.symlink("/proc/self/exe", "/bin/innocent")


id, program, *unwritable = sys.argv[1:]
if unwritable:
    run_unwritable()
found = state.load(id, state.root())
spec = configure(found.values["rootfs"], ["innocent"])
plan = execute.prepare(found, spec, Manner(left=True))
for step in plan.child:
    if isinstance(step, GuardInterpreter):
        step.__class__ = ThenExchanged
create(plan)

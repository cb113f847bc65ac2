"""A pid that is another process's by now: killed, or entered, in place of a container that has ended.

A container's pid is written down, and the kernel gives numbers anew. What defends: the tick at which the process began
is written down with it, and looked at when a pidfd is held already (labkit/engine/state.py, OpenContainer).
"""

import os
import signal
import subprocess
import time

import pytest
from weakened import run_plan

from labkit import Container
from labkit.engine import execute, lifecycle, state
from labkit.engine.configure import configure
from labkit.errors import LabkitError
from labkit.linux import proc
from labkit.plan.enter import OpenContainer
from labkit.plan.manner import Manner

pytestmark = pytest.mark.root


@pytest.fixture
def innocent():
    """A process that has nothing to do with any container, in a namespace of its own."""
    command = ["unshare", "--uts", "sh", "-c", "echo there; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"there\n"
        yield process
        process.kill()


@pytest.fixture
def found(rootfs, innocent):
    """The state of a container that has ended, and whose number is now the innocent's."""
    # No kernel gives a number anew within the tick in which it was given: these two must not begin within one either.
    began = proc.start_time(proc.read_file(f"/proc/{innocent.pid}/stat"))
    while int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")) <= began:
        pass
    with Container(rootfs, ["sleep", "600"]).start() as container:
        found = state.load(container.id, state.root())
    found.values["pid"] = innocent.pid
    return found


@pytest.mark.parametrize("weaker", [False, True])
def test_it_is_not_killed(found, innocent, monkeypatch, weaker):
    if weaker:
        monkeypatch.setattr(state, "alive", lambda pid, start: os.path.exists(f"/proc/{pid}"))
        lifecycle.kill(found, signal.SIGKILL)
        assert innocent.wait(30) == -signal.SIGKILL
    else:
        with pytest.raises(LabkitError, match="container not running"):
            lifecycle.kill(found, signal.SIGKILL)
        assert innocent.poll() is None


class OpenNumber(OpenContainer):
    """By its number alone."""

    __slots__ = ()

    def apply(self, scene):
        scene.container = scene.kernel.pidfd_open(self.pid)


@pytest.mark.parametrize("weaker", [False, True])
def test_it_is_not_entered(found, innocent, monkeypatch, weaker):
    """As when the container ends after the plan was made, and before it is carried out."""
    found.values["cgroups"] = []
    monkeypatch.setattr(state.State, "status", lambda self: "running")
    plan = execute.prepare(found, configure("/", ["readlink", "/proc/self/ns/uts"], cwd="/"), Manner())
    if weaker:
        plan.before[0].__class__ = OpenNumber
        assert run_plan(plan).stdout.strip() == os.readlink(f"/proc/{innocent.pid}/ns/uts")
    else:
        with pytest.raises(LabkitError, match="the container's first process has ended"):
            run_plan(plan)

"""A container's cgroups without the container: made, entered and removed by its own steps, to see what that costs."""

from __future__ import annotations

import os
import time

from labkit.cgroups.detect import detect
from labkit.cgroups.place import Placement, place
from labkit.errors import LabkitError
from labkit.linux.cgroupfs import wait_through
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.spec.model import Resources

_SIGKILL = 9
# Of a number of nanoseconds.
_SIZE = 8


class Alone:
    """The cgroups for `resources` as those of a container `id`; `folders` is where they are.

    make(), then enter() if there shall be a process in them, then remove(), which also takes away what was made only in
    part. Raises LabkitError as the planning and the steps do.
    """

    __slots__ = ("_done", "_pid", "_placement", "_scene")

    def __init__(self, resources: Resources, id: str) -> None:
        self._placement: Placement = place(resources, "", id, detect())
        if not self.folders:
            raise LabkitError("this user may make no cgroup", "run as root, or in a cgroup delegated to this user")
        self._scene = Scene()
        self._done: list[Step] = []
        self._pid = 0

    @property
    def folders(self) -> list[str]:
        """The cgroups, one in each tree that is used."""
        return self._placement.folders

    def make(self) -> None:
        """Make them and write their limits."""
        for step in self._placement.before:
            self._done.append(step)
            wait_through(step.apply(self._scene))

    def enter(self) -> int:
        """Clone a process that enters them and stays; returns the nanoseconds that it took to enter."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        self._pid, pidfd = self._scene.kernel.clone3(0, self._scene.cgroup)
        if self._pid == 0:
            self._stay(writing)
        os.close(pidfd)
        os.close(writing)
        said = os.read(reading, _SIZE)
        os.close(reading)
        if not said:
            raise LabkitError(f"no process can enter {', '.join(self.folders)}", "see: labkit doctor")
        return int.from_bytes(said, "little")

    def _stay(self, writing: int) -> None:
        """The new process, which never returns to what its maker was about."""
        try:
            began = time.monotonic_ns()
            for step in self._placement.child:
                step.apply(self._scene)
            os.write(writing, (time.monotonic_ns() - began).to_bytes(_SIZE, "little"))
            os.close(writing)
            while True:
                time.sleep(60)
        finally:
            os._exit(1)

    def end(self) -> None:
        """End the process in them, if there is one."""
        if self._pid:
            os.kill(self._pid, _SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0

    def remove(self) -> None:
        """Remove them."""
        self.end()
        for step in reversed(self._done):
            wait_through(step.undo(self._scene))
        self._done = []

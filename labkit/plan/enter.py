"""The steps by which a new process enters a container that runs."""

from __future__ import annotations

import errno
import os

from labkit.linux.namespaces import NAMESPACES
from labkit.linux.proc import start_time
from labkit.plan.step import Scene, Step


class OpenContainer(Step):
    __slots__ = ("pid", "start")
    pid: int
    start: int
    call = "pidfd_open, read /proc/PID/stat"
    why = "a descriptor stays the same process's; and a child in another pid namespace could not find it by number"

    def describe(self) -> str:
        return f"open the container's first process, {self.pid}"

    def apply(self, scene: Scene) -> None:
        scene.container = scene.kernel.pidfd_open(self.pid)
        # Only now is it known that the pid is not another's meanwhile.
        if start_time(scene.kernel.read_file(f"/proc/{self.pid}/stat")) != self.start:
            raise OSError(errno.ESRCH, "the container's first process has ended", f"process {self.pid}")

    def undo(self, scene: Scene) -> None:
        if scene.container >= 0:
            os.close(scene.container)
            scene.container = -1


class OpenContainerRoot(Step):
    __slots__ = ("pid",)
    pid: int
    call = "open(/proc/PID/root), pidfd_send_signal(0)"
    why = "its root is not that of a mount namespace, where who enters one would stand, but one of chroot(2)"

    def describe(self) -> str:
        return f"open the root of process {self.pid}"

    def apply(self, scene: Scene) -> None:
        scene.root = os.open(f"/proc/{self.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        # The pid is not another's: the process is still there.
        scene.kernel.pidfd_send_signal(scene.container, 0)


class EnterContainer(Step):
    __slots__ = ("kinds",)
    kinds: tuple[str, ...]
    call = "setns(pidfd)"
    why = "all at once, by its first process"

    def describe(self) -> str:
        return f"enter the container's namespaces: {', '.join(self.kinds)}"

    def apply(self, scene: Scene) -> None:
        flags = 0
        for kind in self.kinds:
            flags |= NAMESPACES[kind][0]
        if flags:
            scene.kernel.setns(scene.container, flags)

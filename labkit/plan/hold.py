"""Steps of a container that is created now and started later: it waits, ready in all but its execve, at a fifo."""

from __future__ import annotations

from labkit.linux import os
from labkit.plan.folder import FAILURE, FIFO
from labkit.plan.step import Scene, Step


class OpenFifo(Step):
    __slots__ = ("folder",)
    folder: str
    call = "open(exec.fifo, O_RDWR), open(start.failure, O_WRONLY)"
    why = "while the host's file tree is there; the two files and not their folder, from which there is a way up"

    def describe(self) -> str:
        return f"open the fifo at which it will wait, in {self.folder}"

    def apply(self, scene: Scene) -> None:
        # For writing too: to open a fifo for reading alone waits for a writer (fifo(7)).
        scene.fifo = os.open(f"{self.folder}/{FIFO}", os.O_RDWR | os.O_CLOEXEC)
        scene.failure = os.open(f"{self.folder}/{FAILURE}", os.O_WRONLY | os.O_CLOEXEC)


class LetGo(Step):
    """`preserved` is how many descriptors from 3 on are the program's own."""

    __slots__ = ("preserved",)
    preserved: int
    call = "close_range"
    why = "it may wait for long, and others' sockets would not end meanwhile; now, since a filter may forbid it later"

    def describe(self) -> str:
        return "close every descriptor that it does not need to wait"

    def apply(self, scene: Scene) -> None:
        scene.kernel.close_all_but((scene.channel, scene.fifo, scene.failure), 3 + self.preserved)


class AwaitStart(Step):
    """`left` says that from here on it outlives its maker."""

    __slots__ = ("left",)
    left: bool
    call = "read(exec.fifo)"
    why = "start writes one byte to it; that the fifo is closed then, by execve, tells start that the program runs"

    def describe(self) -> str:
        return "wait until it is started"

    def apply(self, scene: Scene) -> None:
        assert scene.created is not None
        scene.created(self.left)
        os.read(scene.fifo, 1)
        scene.begun = True

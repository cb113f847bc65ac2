"""Steps of the parent that stand in existing namespaces while it clones, so that the container begins in them.

The parent and not the child: a new pid is given by the cloning process's namespace, and a child that is born into a
user namespace of its own has no privilege left over namespaces made outside it.
"""

from __future__ import annotations

import os

from labkit.linux.namespaces import NAMESPACES
from labkit.plan.step import Scene, Step


class JoinNamespace(Step):
    __slots__ = ("kind", "path")
    kind: str
    path: str
    call = "open, ioctl(NS_GET_NSTYPE), setns"
    why = "a process begins in the namespaces of the one that clones it; the file opened is checked to be one"

    def describe(self) -> str:
        return f"stand in the {self.kind} namespace {self.path}"

    def apply(self, scene: Scene) -> None:
        flag, name = NAMESPACES[self.kind]
        joined = scene.kernel.open_namespace(self.path, self.kind)
        try:
            home = os.open(f"/proc/self/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                scene.kernel.setns(joined, flag)
            except OSError as error:
                os.close(home)
                raise OSError(error.errno, error.strerror, self.path) from error
            scene.home[self.kind] = home
        finally:
            os.close(joined)

    def undo(self, scene: Scene) -> None:
        _return(scene, self.kind)


class LeaveNamespace(Step):
    __slots__ = ("kind",)
    kind: str
    call = "setns"
    why = "the container is in it by now; its parent makes others"

    def describe(self) -> str:
        return f"return to its own {self.kind} namespace"

    def apply(self, scene: Scene) -> None:
        _return(scene, self.kind)


def _return(scene: Scene, kind: str) -> None:
    if kind not in scene.home:
        return
    home = scene.home.pop(kind)
    try:
        scene.kernel.setns(home, NAMESPACES[kind][0])
    finally:
        os.close(home)

"""Steps that join namespaces by path: the parent stands in them while it clones, so that the container begins in them.

The parent and not the child: a new pid is given by the cloning process's namespace, and a child that is born into a
user namespace of its own has no privilege left over namespaces made outside it. Two kinds differ: from a user namespace
there is no way back, and in another mount namespace the parent would not find its own files.
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


class CloneInUserNamespace(Step):
    __slots__ = ("path",)
    path: str
    call = "open, ioctl(NS_GET_NSTYPE); clone3, setns, clone3(CLONE_PARENT)"
    why = "it then owns the new namespaces, without which nothing could be mounted in them"

    def describe(self) -> str:
        return f"let the clone begin in the user namespace {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.user_namespace = scene.kernel.open_namespace(self.path, "user")

    def undo(self, scene: Scene) -> None:
        if scene.user_namespace is not None:
            os.close(scene.user_namespace)
            scene.user_namespace = None


class OpenPidNamespace(Step):
    __slots__ = ("path",)
    path: str
    call = "open, ioctl(NS_GET_NSTYPE); setns before the second clone3"
    why = "a new pid is given by it, and an ordinary user may join it from within its user namespace only"

    def describe(self) -> str:
        return f"let the clone be numbered by the pid namespace {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.pid_namespace = scene.kernel.open_namespace(self.path, "pid")

    def undo(self, scene: Scene) -> None:
        if scene.pid_namespace is not None:
            os.close(scene.pid_namespace)
            scene.pid_namespace = None


class OpenNetworkNamespace(Step):
    __slots__ = ("path",)
    path: str
    call = "open, ioctl(NS_GET_NSTYPE); setns before the second clone3"
    why = "an ordinary user may join it from within the user namespace that owns it only"

    def describe(self) -> str:
        return f"let the clone begin in the network namespace {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.network_namespace = scene.kernel.open_namespace(self.path, "network")

    def undo(self, scene: Scene) -> None:
        if scene.network_namespace is not None:
            os.close(scene.network_namespace)
            scene.network_namespace = None


class OpenMountNamespace(Step):
    __slots__ = ("path",)
    path: str
    call = "open, ioctl(NS_GET_NSTYPE)"
    why = "for the child, which with other ids may not open it"

    def describe(self) -> str:
        return f"open the mount namespace {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.mount_namespace = scene.kernel.open_namespace(self.path, "mount")

    def undo(self, scene: Scene) -> None:
        if scene.mount_namespace is not None:
            os.close(scene.mount_namespace)
            scene.mount_namespace = None


class JoinMountNamespace(Step):
    """The child's."""

    __slots__ = ("path",)
    path: str
    call = "setns"
    why = "paths are looked up in it from here on; what is mounted shows to whoever else is in it"

    def describe(self) -> str:
        return f"enter the mount namespace {self.path}"

    def apply(self, scene: Scene) -> None:
        assert scene.mount_namespace is not None
        try:
            scene.kernel.setns(scene.mount_namespace, NAMESPACES["mount"][0])
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from error


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

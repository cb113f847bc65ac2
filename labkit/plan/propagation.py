"""Steps that say which mounts show up where else: propagation, as mount_namespaces(7) explains it."""

from __future__ import annotations

import os

from labkit.linux.mount import MS_PRIVATE, MS_REC, MS_SLAVE
from labkit.plan.mountinfo import mount_point
from labkit.plan.options import PROPAGATION
from labkit.plan.step import Scene, Step


class SlaveMounts(Step):
    __slots__ = ()
    call = "mount(MS_REC|MS_SLAVE)"
    why = "no mount made from here on shows outside; a bind mount may show what is mounted there later"

    def describe(self) -> str:
        return "let mounts come into the new mount namespace and none out of it"

    def apply(self, scene: Scene) -> None:
        scene.kernel.mount(None, "/", None, MS_REC | MS_SLAVE)


class PrivateParent(Step):
    __slots__ = ("path",)
    path: str
    call = "read /proc/self/mountinfo, mount(MS_PRIVATE)"
    why = "the root is to be mounted here, which must not show outside; and pivot_root wants its parent not shared"

    def describe(self) -> str:
        return f"stop propagation of the mount that {self.path} is on"

    def apply(self, scene: Scene) -> None:
        place = scene.root if scene.root >= 0 else os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            scene.kernel.mount(None, mount_point(scene, place), None, MS_PRIVATE)
        finally:
            if place != scene.root:
                os.close(place)


class SetPropagation(Step):
    __slots__ = ("destination", "kind")
    destination: str
    kind: str
    call = "openat2, mount_setattr"
    why = "whether mounts made on one side of it show on the other"

    def describe(self) -> str:
        return f"make the mount on {self.destination} {self.kind}"

    def apply(self, scene: Scene) -> None:
        flags = PROPAGATION[self.kind]
        place = scene.kernel.openat2(scene.root, self.destination)
        try:
            scene.kernel.mount_setattr(place, 0, 0, bool(flags & MS_REC), self.destination, flags & ~MS_REC)
        finally:
            os.close(place)


class SetRootPropagation(Step):
    __slots__ = ("kind",)
    kind: str
    call = "mount"
    why = "only now: pivot_root takes no shared root, and its mounts would have shown outside"

    def describe(self) -> str:
        return f"make the root {self.kind}"

    def apply(self, scene: Scene) -> None:
        scene.kernel.mount(None, "/", None, PROPAGATION[self.kind])

"""Steps of the parent that make what idmapped mounts show, before it clones.

The parent and not the child: who changes the owners that a mount shows must have privilege over the filesystem, which
is the host's, and a child in a user namespace of its own has none (mount_setattr(2), ID-mapped mounts).
"""

from __future__ import annotations

import errno
import os

from labkit.plan.nodes import close_nodes
from labkit.plan.step import ROOT, Scene, Step


class IdmapSource(Step):
    """`index` is the entry's in mounts; the maps are texts as of /proc/PID/uid_map; `deep` is ridmap."""

    __slots__ = ("deep", "gid_map", "index", "recursive", "source", "uid_map")
    deep: bool
    gid_map: str
    index: int
    recursive: bool
    source: str
    uid_map: str
    call = "clone3(CLONE_NEWUSER), open_tree(OPEN_TREE_CLONE), mount_setattr(MOUNT_ATTR_IDMAP)"
    why = "files get other owners where they are shown, and keep their own on the disk; the maps are a user namespace's"

    def describe(self) -> str:
        return f"clone the mount of {self.source} with ids mapped: " + self.uid_map.replace("\n", ", ")

    def apply(self, scene: Scene) -> None:
        kernel = scene.kernel
        place = os.open(self.source, os.O_PATH | os.O_CLOEXEC)
        try:
            made = kernel.open_tree(place, self.recursive)
        finally:
            os.close(place)
        scene.trees[self.index] = made
        maps = kernel.make_user_namespace(self.uid_map, self.gid_map)
        try:
            kernel.idmap(made, maps, self.deep, self.source)
        finally:
            os.close(maps)

    def undo(self, scene: Scene) -> None:
        _close(scene)


class IdmapRoot(Step):
    """What is under the root's overlay; the maps are texts as of IdmapSource."""

    __slots__ = ("gid_map", "path", "uid_map")
    gid_map: str
    path: str
    uid_map: str
    call = IdmapSource.call
    why = "the image's files belong to root inside as they do on the disk; unmapped, nobody inside could change them"

    def describe(self) -> str:
        return f"clone the mount of {self.path} with the container's ids"

    def apply(self, scene: Scene) -> None:
        kernel = scene.kernel
        place = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made = kernel.open_tree(place, False)
        finally:
            os.close(place)
        scene.trees[ROOT] = made
        maps = kernel.make_user_namespace(self.uid_map, self.gid_map)
        try:
            kernel.idmap(made, maps, False, self.path)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # A filesystem that cannot show other owners: the image's files are nobody's then, and can be read.
            os.close(scene.trees.pop(ROOT))
        finally:
            os.close(maps)

    def undo(self, scene: Scene) -> None:
        _close(scene)


class CloseSources(Step):
    __slots__ = ()
    call = "close"
    why = "the child has descriptors of its own"

    def describe(self) -> str:
        return "let go of the mounts made for the child"

    def apply(self, scene: Scene) -> None:
        _close(scene)
        close_nodes(scene)


def _close(scene: Scene) -> None:
    while scene.trees:
        os.close(scene.trees.popitem()[1])

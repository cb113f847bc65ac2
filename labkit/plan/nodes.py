"""Device nodes for a user namespace, which may not make any: the parent makes them, and the child binds them in.

A filesystem that is mounted inside a user namespace has no working nodes either (SB_I_NODEV), so that a tmpfs of the
parent's holds them. The child mounts it out of the container's sight, since only what is mounted in its own mount
namespace can be bound from (open_tree(2)). As crun does it (prepare_and_send_dev_mounts of its linux.c).
"""

from __future__ import annotations

import os

from labkit.plan.devices import TYPES
from labkit.plan.step import Scene, Step

# name in the tmpfs, type, major, minor, mode, uid and gid outside
Node = tuple[str, str, int, int, int, int, int]


class MakeNodes(Step):
    """The parent's, before it clones."""

    __slots__ = ("nodes",)
    nodes: tuple[Node, ...]
    call = "fsopen(tmpfs), fsmount, mknodat, fchownat"
    why = "a user namespace may not make device nodes; these have the owners and modes that are asked for"

    def describe(self) -> str:
        return "make device nodes for the child to bind: " + ", ".join(
            f"{kind} {major}:{minor}" for _, kind, major, minor, *_ in self.nodes
        )

    def apply(self, scene: Scene) -> None:
        mask = os.umask(0)
        try:
            scene.devices = scene.kernel.fsmount("tmpfs", ("mode=755",))
            for name, kind, major, minor, mode, uid, gid in self.nodes:
                os.mknod(name, TYPES[kind] | mode, os.makedev(major, minor), dir_fd=scene.devices)
                os.chown(name, uid, gid, dir_fd=scene.devices)
        except PermissionError:
            # Root of a user namespace itself, or without CAP_MKNOD: the host's nodes must do.
            close_nodes(scene)
        finally:
            os.umask(mask)

    def undo(self, scene: Scene) -> None:
        close_nodes(scene)


def close_nodes(scene: Scene) -> None:
    """Let go of the parent's filesystem of device nodes, where there is one."""
    if scene.devices >= 0:
        os.close(scene.devices)
        scene.devices = -1


class ShowNodes(Step):
    """The child's; `folder` is one that the container will not see."""

    __slots__ = ("folder",)
    folder: str
    call = "move_mount"
    why = "what is bound must be mounted in this mount namespace; it goes with the host's tree"

    def describe(self) -> str:
        return f"mount the parent's device nodes on {self.folder}"

    def apply(self, scene: Scene) -> None:
        if scene.devices >= 0:
            scene.kernel.mount_at(self.folder, scene.devices)


class BindNode(Step):
    __slots__ = ("name", "path")
    name: str
    path: str
    call = "open_tree(OPEN_TREE_CLONE), move_mount"
    why = "a node made outside the user namespace works inside"

    def describe(self) -> str:
        return f"bind the device node made for {self.path} to it"

    def apply(self, scene: Scene) -> None:
        if scene.devices >= 0:
            node = os.open(self.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=scene.devices)
        else:
            node = os.open(self.path, os.O_PATH | os.O_CLOEXEC)
        try:
            made = scene.kernel.open_tree(node, False)
        finally:
            os.close(node)
        try:
            place = scene.kernel.open_or_make(scene.root, self.path, False)
            try:
                scene.kernel.move_mount(made, place, self.path)
            finally:
                os.close(place)
        finally:
            os.close(made)

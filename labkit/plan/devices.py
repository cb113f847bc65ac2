"""Steps that make what /dev has: device nodes and the links between them."""

from __future__ import annotations

import _stat as stat

from labkit.linux import os
from labkit.plan.step import Scene, Step

# The types of config.json, linux.devices; `u` is an unbuffered character device, which on Linux is any.
TYPES = {"b": stat.S_IFBLK, "c": stat.S_IFCHR, "p": stat.S_IFIFO, "u": stat.S_IFCHR}
_NAMES = {"b": "block device", "c": "character device", "p": "fifo", "u": "character device"}


class MakeDevice(Step):
    __slots__ = ("gid", "kind", "major", "minor", "mode", "path", "uid")
    gid: int
    kind: str
    major: int
    minor: int
    mode: int
    path: str
    uid: int
    call = "mknodat, fchownat"
    why = "a device node is an inode: only these few exist inside"

    def describe(self) -> str:
        number = "" if self.kind == "p" else f" ({self.major}:{self.minor})"
        return f"make the {_NAMES.get(self.kind, self.kind)} {self.path}{number}"

    def apply(self, scene: Scene) -> None:
        folder, _, name = self.path.rpartition("/")
        device = 0 if self.kind == "p" else os.makedev(self.major, self.minor)
        parent = scene.kernel.open_or_make(scene.root, folder or "/", True)
        try:
            os.mknod(name, TYPES[self.kind] | self.mode, device, dir_fd=parent)
        except FileExistsError:
            # The image brings its own /dev; a node that is something else must not pass for this one.
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if stat.S_IFMT(found.st_mode) != TYPES[self.kind] or found.st_rdev != device:
                raise
        else:
            if self.uid or self.gid:
                os.chown(name, self.uid, self.gid, dir_fd=parent, follow_symlinks=False)
        finally:
            os.close(parent)


class MakeEmptyFile(Step):
    __slots__ = ("path",)
    path: str
    call = "openat(O_CREAT)"
    why = "a place for something to be bound on"

    def describe(self) -> str:
        return f"make the empty file {self.path}"

    def apply(self, scene: Scene) -> None:
        os.close(scene.kernel.open_or_make(scene.root, self.path, False))


class MakeSymlink(Step):
    __slots__ = ("path", "target")
    path: str
    target: str
    call = "symlinkat"
    why = "a name that programs expect"

    def describe(self) -> str:
        return f"make the symbolic link {self.path} -> {self.target}"

    def apply(self, scene: Scene) -> None:
        folder, _, name = self.path.rpartition("/")
        parent = scene.kernel.open_or_make(scene.root, folder, True)
        try:
            os.symlink(self.target, name, dir_fd=parent)
        except FileExistsError:
            if os.readlink(name, dir_fd=parent) != self.target:
                raise
        finally:
            os.close(parent)

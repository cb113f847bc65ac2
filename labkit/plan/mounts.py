"""Steps that build the container's file tree, all below the descriptor of its root."""

from __future__ import annotations

import _stat as stat
import errno

from labkit.linux import os
from labkit.linux.mount import MNT_DETACH, MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_REC, MS_SLAVE
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NULL_DEVICE = os.makedev(1, 3)


class PrivateMounts(Step):
    __slots__ = ()
    call = "mount(MS_REC|MS_PRIVATE)"
    why = "no mount made from here on shows outside, none made outside shows inside"

    def describe(self) -> str:
        return "stop mount propagation in the new mount namespace"

    def apply(self, scene: Scene) -> None:
        scene.kernel.mount(None, "/", None, MS_REC | MS_PRIVATE)


class UseRoot(Step):
    __slots__ = ("path",)
    path: str
    call = "open_tree, move_mount"
    why = "pivot_root wants a mount, and the descriptor spares every later look-up by path"

    def describe(self) -> str:
        return f"bind {self.path} on itself and keep its descriptor as the root"

    def apply(self, scene: Scene) -> None:
        place = scene.root if scene.root >= 0 else open_folder(self.path)
        try:
            scene.root = scene.kernel.open_tree(place)
            scene.kernel.move_mount(scene.root, place, self.path)
        finally:
            os.close(place)


class MountFilesystem(Step):
    __slots__ = ("attributes", "destination", "filesystem", "options", "source")
    attributes: int
    destination: str
    filesystem: str
    options: tuple[str, ...]
    source: str
    call = "fsopen, fsconfig, fsmount, openat2(RESOLVE_IN_ROOT), move_mount"
    why = "the place is resolved once, inside the root, so no symlink of the image leads out of it"

    def describe(self) -> str:
        return f"mount a new {self.filesystem} on {self.destination}"

    def apply(self, scene: Scene) -> None:
        if self.filesystem in ("proc", "sysfs"):
            self._refuse_symlink(scene)
        made = scene.kernel.fsmount(self.filesystem, self.options, self.attributes, self.source)
        try:
            _attach(scene, made, self.destination, folder=True)
        finally:
            os.close(made)

    def _refuse_symlink(self, scene: Scene) -> None:
        """CVE-2019-19921: what is written below /proc must not land in a place of the image's choice."""
        try:
            place = scene.kernel.openat2(scene.root, self.destination, os.O_PATH | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        try:
            if stat.S_ISLNK(os.fstat(place).st_mode):
                text = f'filesystem "{self.filesystem}" must be mounted on ordinary directory'
                raise OSError(errno.ELOOP, text, self.destination)
        finally:
            os.close(place)


class BindMount(Step):
    """`index` is the entry's in mounts, under which its source may be open already; -1 for none."""

    __slots__ = ("add", "deep_add", "deep_remove", "destination", "index", "recursive", "remove", "source")
    add: int
    deep_add: int
    deep_remove: int
    destination: str
    index: int
    recursive: bool
    remove: int
    source: str
    call = "open_tree(OPEN_TREE_CLONE), mount_setattr, move_mount"
    why = "the same files at a second place, with attributes of their own"

    def describe(self) -> str:
        how = ", read-only" if (self.add | self.deep_add) & MOUNT_ATTR_RDONLY else ""
        return f"bind the host's {self.source} to {self.destination}{how}"

    def apply(self, scene: Scene) -> None:
        made = self._clone(scene)
        try:
            if scene.slaves:
                # A peer of the host's mount would show there what the container is given, or mounts, below it.
                scene.kernel.mount_setattr(made, 0, 0, True, self.source, MS_SLAVE)
            _set_attributes(scene, made, self, self.source)
            _attach(scene, made, self.destination, stat.S_ISDIR(os.fstat(made).st_mode))
        finally:
            os.close(made)

    def _clone(self, scene: Scene) -> int:
        if self.index in scene.trees:
            return scene.trees.pop(self.index)
        place = scene.sources.pop(self.index, -1)
        if place < 0:
            place = self._open(scene)
        try:
            return int(scene.kernel.open_tree(place, self.recursive))
        finally:
            os.close(place)

    def _open(self, scene: Scene) -> int:
        try:
            return os.open(self.source, os.O_PATH | os.O_CLOEXEC)
        except PermissionError:
            # Below a folder that is closed to the user namespace's root.
            if scene.borrow is None:
                raise
            return scene.borrow(self.source)


class Remount(Step):
    __slots__ = ("add", "deep_add", "deep_remove", "destination", "options", "remove")
    add: int
    deep_add: int
    deep_remove: int
    destination: str
    options: tuple[str, ...]
    remove: int
    call = "openat2, mount_setattr, fspick, fsconfig(FSCONFIG_CMD_RECONFIGURE)"
    why = "other attributes for what is mounted here already"

    def describe(self) -> str:
        return f"change the mount on {self.destination}"

    def apply(self, scene: Scene) -> None:
        place = scene.kernel.openat2(scene.root, self.destination)
        try:
            if self.options:
                scene.kernel.reconfigure(place, self.options, self.destination)
            _set_attributes(scene, place, self, self.destination)
        finally:
            os.close(place)


class MaskPath(Step):
    """The first of a kind is kept open for the others, which show the same: to make a filesystem for each takes longer.

    A path through its descriptor, which closes with execve, leads nowhere but to where it is attached.
    """

    __slots__ = ("path",)
    path: str
    call = "openat2, open_tree and mount_setattr(MOUNT_ATTR_RDONLY), or fsopen(tmpfs); move_mount"
    why = "the kernel shows things here that are none of the container's business"

    def describe(self) -> str:
        return f"cover {self.path} with nothing"

    def apply(self, scene: Scene) -> None:
        place = scene.kernel.open_if_there(scene.root, self.path)
        if place < 0:
            return
        try:
            folder = stat.S_ISDIR(os.fstat(place).st_mode)
            first = scene.masks.get(folder, -1)
            # A mask is a mount anywhere in the container, read-only as any copy of it.
            made = self._nothing(scene, folder) if first < 0 else scene.kernel.open_tree(first, False)
            try:
                scene.kernel.move_mount(made, place, self.path)
                if first < 0:
                    scene.masks[folder], made = made, -1
            finally:
                if made >= 0:
                    os.close(made)
        finally:
            os.close(place)

    def _nothing(self, scene: Scene, folder: bool) -> int:
        if folder:
            return int(scene.kernel.fsmount("tmpfs", ("size=0", "nr_inodes=1"), MOUNT_ATTR_RDONLY, "tmpfs"))
        null = scene.kernel.openat2(scene.root, "/dev/null")
        try:
            # CVE-2025-31133: an image's symlink for /dev/null would bind a file of its choice over the mask.
            if os.fstat(null).st_rdev != _NULL_DEVICE:
                raise OSError(errno.EINVAL, "/dev/null in the container is not the null device", self.path)
            mask = int(scene.kernel.open_tree(null, False))
        finally:
            os.close(null)
        # Else the owner and mode of the device could be changed through it (as crun).
        scene.kernel.mount_setattr(mask, MOUNT_ATTR_RDONLY, 0, False, self.path)
        return mask


class ReadonlyPath(Step):
    __slots__ = ("path",)
    path: str
    call = "openat2, open_tree, mount_setattr(MOUNT_ATTR_RDONLY), move_mount"
    why = "written, these files would change the host"

    def describe(self) -> str:
        return f"make {self.path} read-only"

    def apply(self, scene: Scene) -> None:
        place = scene.kernel.open_if_there(scene.root, self.path)
        if place < 0:
            return
        try:
            made = scene.kernel.open_tree(place)
            try:
                scene.kernel.mount_setattr(made, MOUNT_ATTR_RDONLY, 0, True, self.path)
                scene.kernel.move_mount(made, place, self.path)
            finally:
                os.close(made)
        finally:
            os.close(place)


class RemountReadonly(Step):
    __slots__ = ("path",)
    path: str
    call = "openat2, mount_setattr(MOUNT_ATTR_RDONLY)"
    why = "after everything that had to be made in it was made"

    def describe(self) -> str:
        return "make the root filesystem read-only" if self.path == "/" else f"make the mount on {self.path} read-only"

    def apply(self, scene: Scene) -> None:
        place = scene.kernel.openat2(scene.root, self.path)
        try:
            scene.kernel.mount_setattr(place, MOUNT_ATTR_RDONLY, 0, False, self.path)
        finally:
            os.close(place)


class PivotRoot(Step):
    __slots__ = ()
    call = "fchdir, pivot_root(., .), mount(MS_REC|MS_SLAVE), umount2(MNT_DETACH), chdir(/)"
    why = "the host's tree leaves the namespace for good; after chroot(2) alone there is a way back"

    def describe(self) -> str:
        return "make the root the root, and unmount the host's"

    def apply(self, scene: Scene) -> None:
        old = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchdir(scene.root)
        scene.kernel.pivot_root(".", ".")
        # The old root now lies on top of the new one, at the same place (pivot_root(2), NOTES).
        os.fchdir(old)
        os.close(old)
        # What of it is still shared with the host must not be unmounted there as well.
        scene.kernel.mount(None, ".", None, MS_REC | MS_SLAVE)
        scene.kernel.umount2(".", MNT_DETACH)
        os.chdir("/")
        os.close(scene.root)
        scene.root = -1


def open_folder(path: str) -> int:
    """A descriptor of a folder, to find others below it."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _attach(scene: Scene, made: int, destination: str, folder: bool) -> None:
    place: Any = scene.kernel.open_or_make(scene.root, destination, folder)
    try:
        scene.kernel.move_mount(made, place, destination)
    finally:
        os.close(place)


def _set_attributes(scene: Scene, made: int, wanted: BindMount | Remount, path: str) -> None:
    if wanted.add or wanted.remove:
        scene.kernel.mount_setattr(made, wanted.add, wanted.remove, False, path)
    if wanted.deep_add or wanted.deep_remove:
        scene.kernel.mount_setattr(made, wanted.deep_add, wanted.deep_remove, True, path)

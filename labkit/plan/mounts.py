"""Steps that build the container's file tree, all below the descriptor of its root."""

from __future__ import annotations

import errno
import os
import stat

from labkit.linux.mount import MNT_DETACH, MOUNT_ATTR_RDONLY, MS_REC, MS_SLAVE
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_NULL_DEVICE = os.makedev(1, 3)


class OpenRoot(Step):
    __slots__ = ("path",)
    path: str
    call = "open(O_PATH)"
    why = "still with the caller's ids: the new ones may not search the folders above it, such as /root"

    def describe(self) -> str:
        return f"open {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.root = _open_folder(self.path)


class UseRoot(Step):
    __slots__ = ("path",)
    path: str
    call = "open_tree, move_mount"
    why = "pivot_root wants a mount, and the descriptor spares every later look-up by path"

    def describe(self) -> str:
        return f"bind {self.path} on itself and keep its descriptor as the root"

    def apply(self, scene: Scene) -> None:
        place = scene.root if scene.root >= 0 else _open_folder(self.path)
        try:
            scene.root = scene.kernel.open_tree(place)
            scene.kernel.move_mount(scene.root, place, self.path)
        finally:
            os.close(place)


class OverlayRoot(Step):
    __slots__ = ("lower", "rootless", "scratch")
    lower: str
    scratch: str
    rootless: bool
    call = "fsopen(tmpfs), fsopen(overlay), fsmount, move_mount"
    why = "the image stays as it is: what the container writes lives in memory and ends with it"

    def describe(self) -> str:
        return f"lay a writable tmpfs over {self.lower}"

    def apply(self, scene: Scene) -> None:
        kernel = scene.kernel
        # A missing image is reported as such, before overlayfs turns it into EINVAL.
        image = scene.root if scene.root >= 0 else _open_folder(self.lower)
        # A path to a descriptor has no folders above it that must be searchable, and none of the characters that
        # separate layers, or options before Linux 6.5.
        lower = f"/proc/self/fd/{image}"
        scratch = kernel.fsmount("tmpfs", ("mode=755",))
        kernel.mount_at(self.scratch, scratch)
        os.close(scratch)
        for name in ("upper", "work"):
            os.mkdir(f"{self.scratch}/{name}", 0o755)
        # Inside a user namespace overlayfs may not write trusted.* attributes (Linux 5.11, userxattr).
        options = (
            f"lowerdir={lower}",
            f"upperdir={self.scratch}/upper",
            f"workdir={self.scratch}/work",
            *(("userxattr",) if self.rootless else ()),
        )
        scene.root = kernel.fsmount("overlay", options)
        os.close(image)
        kernel.mount_at(self.scratch, scene.root)


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
        made = scene.kernel.fsmount(self.filesystem, self.options, self.attributes, self.source)
        try:
            _attach(scene, made, self.destination, folder=True)
        finally:
            os.close(made)


class BindMount(Step):
    __slots__ = ("add", "deep", "destination", "recursive", "remove", "source")
    add: int
    deep: bool
    destination: str
    recursive: bool
    remove: int
    source: str
    call = "open_tree(OPEN_TREE_CLONE), mount_setattr, move_mount"
    why = "the same files at a second place, with attributes of their own"

    def describe(self) -> str:
        how = ", read-only" if self.add & MOUNT_ATTR_RDONLY else ""
        return f"bind the host's {self.source} to {self.destination}{how}"

    def apply(self, scene: Scene) -> None:
        place = os.open(self.source, os.O_PATH | os.O_CLOEXEC)
        try:
            folder = stat.S_ISDIR(os.fstat(place).st_mode)
            made = scene.kernel.open_tree(place, self.recursive)
        finally:
            os.close(place)
        try:
            if self.add or self.remove:
                scene.kernel.mount_setattr(made, self.add, self.remove, self.deep, self.source)
            _attach(scene, made, self.destination, folder)
        finally:
            os.close(made)


class MaskPath(Step):
    __slots__ = ("path",)
    path: str
    call = "openat2, open_tree or fsopen(tmpfs), move_mount"
    why = "the kernel shows things here that are none of the container's business"

    def describe(self) -> str:
        return f"cover {self.path} with nothing"

    def apply(self, scene: Scene) -> None:
        try:
            place = scene.kernel.openat2(scene.root, self.path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return
            raise
        try:
            made = self._nothing(scene, stat.S_ISDIR(os.fstat(place).st_mode))
            try:
                scene.kernel.move_mount(made, place, self.path)
            finally:
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
            return int(scene.kernel.open_tree(null, False))
        finally:
            os.close(null)


class ReadonlyPath(Step):
    __slots__ = ("path",)
    path: str
    call = "openat2, open_tree, mount_setattr(MOUNT_ATTR_RDONLY), move_mount"
    why = "written, these files would change the host"

    def describe(self) -> str:
        return f"make {self.path} read-only"

    def apply(self, scene: Scene) -> None:
        try:
            place = scene.kernel.openat2(scene.root, self.path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return
            raise
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


def _open_folder(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _attach(scene: Scene, made: int, destination: str, folder: bool) -> None:
    place: Any = scene.kernel.open_or_make(scene.root, destination, folder)
    try:
        scene.kernel.move_mount(made, place, destination)
    finally:
        os.close(place)

"""Steps for a root that is had in another way than most; and those that open things early, for a user namespace."""

from __future__ import annotations

import os

from labkit.linux.mount import MNT_DETACH, MS_MOVE, MS_PRIVATE, MS_REC, MS_SLAVE
from labkit.plan.mountinfo import mount_point, unescape
from labkit.plan.mounts import open_folder
from labkit.plan.step import ROOT, Scene, Step


class OpenRoot(Step):
    __slots__ = ("path",)
    path: str
    call = "open(O_PATH)"
    why = "still with the caller's ids: the new ones may not search the folders above it, such as /root"

    def describe(self) -> str:
        return f"open {self.path}"

    def apply(self, scene: Scene) -> None:
        scene.root = open_folder(self.path)


class BindRoot(Step):
    """`place` is a folder of the container's own (see plan.folder): unmounting this one mount unmounts all of them."""

    __slots__ = ("path", "place")
    path: str
    place: str
    call = "open_tree, mount_setattr(MS_PRIVATE), move_mount"
    why = "in the runtime's own mount namespace, so that what the container has hangs below one mount and goes with it"

    def describe(self) -> str:
        return f"bind {self.path} to {self.place} and keep its descriptor as the root"

    def apply(self, scene: Scene) -> None:
        image = open_folder(self.path)
        try:
            scene.root = scene.kernel.open_tree(image)
        finally:
            os.close(image)
        # Of a shared mount this is a peer, and so would be its copies where it shows in other mount namespaces.
        self._make_private(scene)
        scene.kernel.mount_at(self.place, scene.root)
        # Below a shared mount it has become shared again; what is mounted in it must not show there too.
        self._make_private(scene)
        scene.slaves = True

    def _make_private(self, scene: Scene) -> None:
        scene.kernel.mount_setattr(scene.root, 0, 0, True, self.path, MS_PRIVATE)


class OpenSource(Step):
    __slots__ = ("index", "source")
    index: int
    source: str
    call = "open(O_PATH)"
    why = OpenRoot.why

    def describe(self) -> str:
        return f"open {self.source}, to be bound"

    def apply(self, scene: Scene) -> None:
        try:
            scene.sources[self.index] = os.open(self.source, os.O_PATH | os.O_CLOEXEC)
        except PermissionError:
            pass  # The parent may be able to, and is asked by BindMount: by now it has other things to do first.


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
        image = scene.root if scene.root >= 0 else open_folder(self.lower)
        # A path to a descriptor has no folders above it that must be searchable, and none of the characters that
        # separate layers, or options before Linux 6.5.
        lower = f"/proc/self/fd/{image}"
        scratch = kernel.fsmount("tmpfs", ("mode=755",))
        kernel.mount_at(self.scratch, scratch)
        os.close(scratch)
        for name in ("upper", "work"):
            os.mkdir(f"{self.scratch}/{name}", 0o755)
        if ROOT in scene.trees:
            # A layer is a mount that is attached somewhere (before Linux 6.15).
            os.close(image)
            image = scene.trees.pop(ROOT)
            os.mkdir(f"{self.scratch}/lower", 0o755)
            kernel.mount_at(f"{self.scratch}/lower", image)
            lower = f"/proc/self/fd/{image}"
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


class MoveRoot(Step):
    __slots__ = ()
    call = "fchdir, mount(MS_MOVE), chroot"
    why = "for a root on an initial ramdisk, which pivot_root(2) cannot leave; what was mounted stays, hidden"

    def describe(self) -> str:
        return "move the root over the host's, without pivot_root"

    def apply(self, scene: Scene) -> None:
        os.fchdir(scene.root)
        self._leave_no_kernel_filesystem(scene)
        scene.kernel.mount(".", "/", None, MS_MOVE)
        os.chroot(".")
        os.chdir("/")
        os.close(scene.root)
        scene.root = -1

    def _leave_no_kernel_filesystem(self, scene: Scene) -> None:
        """Unmount the host's procfs and sysfs: while they are there unmasked, a user namespace may mount them anew."""
        inside = mount_point(scene, scene.root)
        for line in scene.kernel.read_file("/proc/self/mountinfo").splitlines():
            place = unescape(line.split(" ")[4])
            kind = line.partition(" - ")[2].split(" ")[0]
            if kind in ("proc", "sysfs") and place != inside and not place.startswith(f"{inside}/"):
                scene.kernel.mount(None, place, None, MS_SLAVE | MS_REC)
                scene.kernel.umount2(place, MNT_DETACH)


class ChangeRoot(Step):
    __slots__ = ()
    call = "fchdir, chroot(.), chdir(/)"
    why = "the mount namespace is not its own alone: pivot_root would change the root of all that are in it"

    def describe(self) -> str:
        return "make the root the root of this process"

    def apply(self, scene: Scene) -> None:
        os.fchdir(scene.root)
        scene.kernel.chroot(".")
        os.chdir("/")
        os.close(scene.root)
        scene.root = -1

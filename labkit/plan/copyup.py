"""The step that mounts a tmpfs with a copy of what lies where it is mounted (config-linux.md, tmpcopyup)."""

from __future__ import annotations

import os
import stat

from labkit.plan.step import Scene, Step

_AT_ONCE = 2**20


class MountCopy(Step):
    __slots__ = ("attributes", "destination", "options", "source")
    attributes: int
    destination: str
    options: tuple[str, ...]
    source: str
    call = "fsopen(tmpfs), fsmount, openat2(RESOLVE_IN_ROOT), copy, mount_setattr, move_mount"
    why = "filled before it is attached, so that the files it will hide can still be read, and never through a symlink"

    def describe(self) -> str:
        return f"mount a new tmpfs on {self.destination} with a copy of what is there"

    def apply(self, scene: Scene) -> None:
        kernel = scene.kernel
        made = kernel.fsmount("tmpfs", self.options, 0, self.source)
        try:
            place = kernel.open_or_make(scene.root, self.destination, True)
            try:
                _copy_folder(place, made)
                if not any(option.startswith("mode=") for option in self.options):
                    _copy_mode(place, made)
                if self.attributes:
                    kernel.mount_setattr(made, self.attributes, 0, False, self.destination)
                kernel.move_mount(made, place, self.destination)
            finally:
                os.close(place)
        finally:
            os.close(made)


def _copy_folder(source: int, target: int) -> None:
    # "." opened anew: listing needs more than the O_PATH that an openat2 gives.
    listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=source)
    try:
        for name in os.listdir(listing):
            _copy(listing, target, name)
    finally:
        os.close(listing)


def _copy(source: int, target: int, name: str) -> None:
    about = os.stat(name, dir_fd=source, follow_symlinks=False)
    kind, permissions = stat.S_IFMT(about.st_mode), stat.S_IMODE(about.st_mode)
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    if kind == stat.S_IFDIR:
        os.mkdir(name, 0o700, dir_fd=target)
        theirs = os.open(name, os.O_RDONLY | os.O_DIRECTORY | flags, dir_fd=source)
        ours = os.open(name, os.O_RDONLY | os.O_DIRECTORY | flags, dir_fd=target)
        try:
            _copy_folder(theirs, ours)
            _copy_mode(theirs, ours)
        finally:
            os.close(theirs)
            os.close(ours)
    elif kind == stat.S_IFREG:
        theirs = os.open(name, os.O_RDONLY | flags, dir_fd=source)
        ours = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | flags, 0o600, dir_fd=target)
        try:
            while os.sendfile(ours, theirs, None, _AT_ONCE):
                pass
            _copy_mode(theirs, ours)
        finally:
            os.close(theirs)
            os.close(ours)
    elif kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        os.chown(name, about.st_uid, about.st_gid, dir_fd=target, follow_symlinks=False)
    else:
        os.mknod(name, kind | permissions, about.st_rdev, dir_fd=target)
        os.chown(name, about.st_uid, about.st_gid, dir_fd=target, follow_symlinks=False)
    if kind != stat.S_IFDIR:
        os.utime(name, ns=(about.st_atime_ns, about.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_mode(source: int, target: int) -> None:
    # By a path, since neither call takes a descriptor opened with O_PATH.
    place = f"/proc/self/fd/{target}"
    about = os.fstat(source)
    # Before the mode: a change of owner clears set-user-ID.
    os.chown(place, about.st_uid, about.st_gid)
    os.chmod(place, stat.S_IMODE(about.st_mode))

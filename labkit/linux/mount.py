"""Mounts: mount(2), umount2(2), pivot_root(2) and the descriptor-based calls of Linux 5.2 and 5.12.

A filesystem is made and configured as a descriptor (fsopen, fsconfig, fsmount) or cloned as one (open_tree), given
its attributes (mount_setattr), and only then attached to a place that is itself a descriptor (move_mount): no path
is looked up twice. Source: mount_setattr(2), and fsopen(2), open_tree(2), move_mount(2) of Linux's manual pages 6.
"""

from __future__ import annotations

import errno
from _struct import pack

from labkit.linux import os
from labkit.linux.libc import AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, syscall

MS_MOVE = 0x2000
MS_REC = 0x4000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

MOUNT_ATTR_RDONLY = 0x01
MOUNT_ATTR_NOSUID = 0x02
MOUNT_ATTR_NODEV = 0x04
MOUNT_ATTR_NOEXEC = 0x08
MOUNT_ATTR_ATIME = 0x70
MOUNT_ATTR_NOATIME = 0x10
MOUNT_ATTR_STRICTATIME = 0x20
MOUNT_ATTR_NODIRATIME = 0x80
MOUNT_ATTR_IDMAP = 0x100000
MOUNT_ATTR_NOSYMFOLLOW = 0x200000

OPEN_TREE_CLONE = 1
MOVE_MOUNT_F_EMPTY_PATH = 0x04
MOVE_MOUNT_T_EMPTY_PATH = 0x40
FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSPICK_CLOEXEC = 0x01
FSPICK_EMPTY_PATH = 0x08
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_CMD_CREATE = 6
FSCONFIG_CMD_RECONFIGURE = 7


# struct mount_attr of mount_setattr(2): attr_set, attr_clr, propagation, userns_fd.
MOUNT_ATTR = "=4Q"


def mount(source: str | None, target: str, filesystem: str | None, flags: int, data: str | None = None) -> None:
    """mount(2); used here only to change propagation, which mount_setattr cannot do on kernels before 5.12."""
    encoded = [None if text is None else os.fsencode(text) for text in (source, target, filesystem, data)]
    syscall("mount", encoded[0], encoded[1], encoded[2], flags, encoded[3], path=target)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2)."""
    syscall("umount2", os.fsencode(target), flags, path=target)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    syscall("pivot_root", os.fsencode(new_root), os.fsencode(put_old), path=new_root)


def chroot(path: str) -> None:
    """chroot(2)."""
    os.chroot(path)


def fsmount(filesystem: str, options: tuple[str, ...], attributes: int = 0, source: str | None = None) -> int:
    """Make a mount of a new `filesystem` and return its descriptor, not attached anywhere yet.

    `options` are `key` or `key=value`, set one by one with fsconfig so that an error names the one that is refused.
    """
    name = os.fsencode(filesystem)
    context = syscall("fsopen", name, FSOPEN_CLOEXEC, path=filesystem)
    try:
        if source is not None:
            syscall("fsconfig", context, FSCONFIG_SET_STRING, b"source", os.fsencode(source), 0, path=filesystem)
        _set_options(context, options, filesystem)
        try:
            syscall("fsconfig", context, FSCONFIG_CMD_CREATE, None, None, 0, path=filesystem)
            return syscall("fsmount", context, FSMOUNT_CLOEXEC, attributes, path=filesystem)
        except OSError as error:
            raise _with_log(error, context) from error
    finally:
        os.close(context)


def reconfigure(descriptor: int, options: tuple[str, ...], path: str) -> None:
    """Change options of the filesystem that `descriptor` stands in, for all its mounts (fspick(2))."""
    context = syscall("fspick", descriptor, b"", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH, path=path)
    try:
        _set_options(context, options, path)
        try:
            syscall("fsconfig", context, FSCONFIG_CMD_RECONFIGURE, None, None, 0, path=path)
        except OSError as error:
            raise _with_log(error, context) from error
    finally:
        os.close(context)


def _set_options(context: int, options: tuple[str, ...], about: str) -> None:
    for option in options:
        key, equals, value = option.partition("=")
        command = FSCONFIG_SET_STRING if equals else FSCONFIG_SET_FLAG
        try:
            text = os.fsencode(value) if equals else None
            syscall("fsconfig", context, command, os.fsencode(key), text, 0, path=f"{about} option {option}")
        except OSError as error:
            raise _with_log(error, context) from error


def _with_log(error: OSError, context: int) -> OSError:
    """The error with the kernel's own words, which it leaves to be read from the filesystem context (fsopen(2))."""
    try:
        words = os.read(context, 512).decode(errors="replace").strip()
    except OSError as nothing:
        if nothing.errno != errno.ENODATA:
            raise
        return error
    return OSError(error.errno, f"{error.strerror}: {words}", error.filename)


def open_tree(descriptor: int, recursive: bool = True) -> int:
    """Clone the mount (and, recursive, those below it) that `descriptor` stands on; a bind mount not yet attached."""
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    return syscall("open_tree", descriptor, b"", flags)


def mount_setattr(
    descriptor: int,
    add: int,
    remove: int = 0,
    recursive: bool = False,
    path: str | None = None,
    propagation: int = 0,
) -> None:
    """Set and clear MOUNT_ATTR_* of the mount that `descriptor` stands on (mount_setattr(2), Linux 5.12).

    `propagation` is one of MS_PRIVATE, MS_SLAVE, MS_SHARED and MS_UNBINDABLE, or 0 to leave it.
    """
    change = pack(MOUNT_ATTR, add, remove, propagation, 0)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    syscall("mount_setattr", descriptor, b"", flags, change, len(change), path=path)


def idmap(descriptor: int, user_namespace: int, recursive: bool = False, path: str | None = None) -> None:
    """Show owners as the maps of `user_namespace` have them (MOUNT_ATTR_IDMAP, Linux 5.12).

    The mount is one of open_tree that was never attached; with `recursive` those below it are shown so as well.
    """
    change = pack(MOUNT_ATTR, MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    syscall("mount_setattr", descriptor, b"", flags, change, len(change), path=path)


def move_mount(descriptor: int, target: int, path: str | None = None) -> None:
    """Attach the mount of `descriptor` to the place that the descriptor `target` refers to."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    syscall("move_mount", descriptor, b"", target, b"", flags, path=path)


def mount_at(path: str, descriptor: int) -> None:
    """Attach the mount of `descriptor` to a trusted host path."""
    syscall("move_mount", descriptor, b"", AT_FDCWD, os.fsencode(path), MOVE_MOUNT_F_EMPTY_PATH, path=path)

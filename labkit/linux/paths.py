"""Paths below a container's root, resolved once and inside it: openat2(2) with RESOLVE_IN_ROOT.

The image is hostile: any component may be a symlink that points out of it, or be replaced while it is looked at
(CVE-2021-30465, CVE-2019-19921). So a path is resolved by the kernel, with the root as its `/`, to an O_PATH
descriptor, and everything later uses that descriptor.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from labkit.linux.libc import syscall

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10


class OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(root: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open `path` as a process chrooted at `root` would; returns a close-on-exec descriptor."""
    how = OpenHow(flags=flags | os.O_CLOEXEC, mode=mode, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    return syscall("openat2", root, os.fsencode(path), how, ctypes.sizeof(how), path=path)


def open_or_make(root: int, path: str, folder: bool) -> int:
    """Open `path` below `root`, making what is missing: folders on the way, an empty file or folder at the end.

    Raises NotADirectoryError or IsADirectoryError where the other kind of file stands.
    """
    try:
        descriptor = openat2(root, path)
    except FileNotFoundError:
        descriptor = _make(root, path, folder)
    is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    if is_folder != folder:
        os.close(descriptor)
        error = errno.ENOTDIR if folder else errno.EISDIR
        raise OSError(error, os.strerror(error), path)
    return descriptor


def _make(root: int, path: str, folder: bool) -> int:
    parts = [part for part in path.split("/") if part]
    parent = openat2(root, "/")
    for depth, part in enumerate(parts, 1):
        made = folder or depth < len(parts)
        try:
            below = openat2(root, "/".join(parts[:depth]))
        except FileNotFoundError:
            # O_NOFOLLOW below: a symlink that points nowhere is not followed to a place to create.
            if made:
                os.mkdir(part, 0o755, dir_fd=parent)
                flags = os.O_PATH | os.O_DIRECTORY
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
            below = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=parent)
        os.close(parent)
        parent = below
    return parent

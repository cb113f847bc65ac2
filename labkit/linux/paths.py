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
_MOST_RETRIES = 128


class OpenHow(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(root: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open `path` as a process chrooted at `root` would; returns a close-on-exec descriptor."""
    how = OpenHow(flags=flags | os.O_CLOEXEC, mode=mode, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    for _ in range(_MOST_RETRIES):
        try:
            return syscall("openat2", root, os.fsencode(path), how, ctypes.sizeof(how), path=path)
        except BlockingIOError:
            # A rename or mount anywhere on the host while `..` was resolved; openat2(2) asks to try again.
            continue
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)


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
    above, _, name = path.rstrip("/").rpartition("/")
    parent = open_or_make(root, above or "/", True)
    try:
        # O_NOFOLLOW: a symlink that points nowhere is not followed to a place to create.
        if not folder:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(name, flags, 0o644, dir_fd=parent)
        os.mkdir(name, 0o755, dir_fd=parent)
        return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(parent)

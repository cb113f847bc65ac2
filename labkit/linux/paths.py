"""Paths below a container's root, resolved once and inside it: openat2(2) with RESOLVE_IN_ROOT.

The image is hostile: any component may be a symlink that points out of it, or be replaced while it is looked at
(CVE-2021-30465, CVE-2019-19921). So a path is resolved by the kernel, with the root as its `/`, to an O_PATH
descriptor, and everything later uses that descriptor.
"""

from __future__ import annotations

import _stat as stat
import errno
from _struct import pack

from labkit.linux import os
from labkit.linux.libc import attempt

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10
_MOST_RETRIES = 128
# As the kernel's own (path_resolution(7)).
_MOST_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY


# struct open_how of openat2(2): flags, mode, resolve.
OPEN_HOW = "=3Q"
# Made once for each way to open.
_HOWS: dict[tuple[int, int], bytes] = {}


def openat2(root: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """Open `path` as a process chrooted at `root` would; returns a close-on-exec descriptor."""
    descriptor = _open(root, path, flags, mode)
    if descriptor < 0:
        raise OSError(-descriptor, os.strerror(-descriptor), path)
    return descriptor


def open_if_there(root: int, path: str) -> int:
    """As openat2, of what may be missing: -1 where there is nothing of this name."""
    descriptor = _open(root, path)
    if descriptor in (-errno.ENOENT, -errno.ENOTDIR):
        return -1
    if descriptor < 0:
        raise OSError(-descriptor, os.strerror(-descriptor), path)
    return descriptor


def _open(root: int, path: str, flags: int = os.O_PATH, mode: int = 0) -> int:
    """As openat2; a negative errno in place of an OSError."""
    how = _HOWS.get((flags, mode))
    if how is None:
        resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
        how = _HOWS[flags, mode] = pack(OPEN_HOW, flags | os.O_CLOEXEC, mode, resolve)
    encoded = os.fsencode(path)
    for _ in range(_MOST_RETRIES):
        descriptor = attempt("openat2", root, encoded, how, len(how))
        # A rename or mount anywhere on the host while `..` was resolved; openat2(2) asks to try again.
        if descriptor != -errno.EAGAIN:
            return descriptor
    return -errno.EAGAIN


def open_or_make(root: int, path: str, folder: bool, links: int = _MOST_LINKS) -> int:
    """Open `path` below `root`, making what is missing: folders on the way, an empty file or folder at the end.

    What a symbolic link points to is made as well, with `root` as its `/`; `links` is how many may still be followed.
    Raises NotADirectoryError or IsADirectoryError where the other kind of file stands.
    """
    descriptor = _open(root, path, _FOLDER if folder else os.O_PATH)
    if descriptor == -errno.ENOENT:
        descriptor = _make(root, path, folder, links)
    elif descriptor < 0:
        raise OSError(-descriptor, os.strerror(-descriptor), path)
    if not folder and stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return descriptor


def _make(root: int, path: str, folder: bool, links: int) -> int:
    above, _, name = path.rstrip("/").rpartition("/")
    parent = open_or_make(root, above or "/", True, links)
    try:
        if name == "..":
            return openat2(root, path)  # Of a folder that is there by now.
        try:
            return _create(parent, name, folder)
        except FileExistsError:
            # A symbolic link that leads to nothing; what else came up meanwhile is not taken for one's own.
            target = _link(parent, name)
            if not target:
                raise
        if not links:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        # Below the root again, and no more by the kernel, which would begin at the host's `/`.
        return open_or_make(root, target if target[0] == "/" else f"{above}/{target}", folder, links - 1)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(parent)


def _create(parent: int, name: str, folder: bool) -> int:
    # Neither of the two follows a symbolic link to a place to create.
    if not folder:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o644, dir_fd=parent)
    os.mkdir(name, 0o755, dir_fd=parent)
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _link(parent: int, name: str) -> str:
    """What the symbolic link `name` points to, or "" where it is none."""
    try:
        return os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return ""
        raise

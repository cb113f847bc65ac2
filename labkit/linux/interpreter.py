"""The engine's own program, run so that nobody who gets hold of it in /proc/PID/exe can write to it (CVE-2019-5736).

The engine is a Python interpreter of the host. A process of it that enters a running container is seen there, by its
link in procfs at least from its own program (/proc/self/exe), and who opens that link opens the host's file. The file
cannot be written while anybody runs it (ETXTBSY), but the engine ends, and the descriptor stays. So the interpreter is
run through a mount of its own, read-only and attached nowhere: what the link leads to then is read-only for good, and
no privilege inside changes a mount that is in no mount namespace (runc copies itself, to a sealed memfd).
"""

from __future__ import annotations

import os
import sys

from labkit.linux.mount import MOUNT_ATTR_RDONLY, mount_setattr, open_tree

_F_ADD_SEALS = 1033
_ALL_SEALS = 0b1111
_MFD_CLOEXEC_SEALABLE = 3
_OWN = "/proc/self/exe"


def open_unwritable(path: str) -> int:
    """A descriptor from which the program `path` can be run, as /proc/self/fd/N, and not be written to.

    Where that cannot be had (no privilege for mounts, a host whose memfds cannot be run) it is the file itself.
    """
    if os.access(path, os.W_OK):
        try:
            return _unwritable(path)
        except OSError:
            pass
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def run_unwritable() -> None:
    """Begin this process anew from a program that nobody can write to, unless it is from one already."""
    if not os.access(_OWN, os.W_OK):
        return
    try:
        os.execve(f"/proc/self/fd/{_unwritable(_OWN)}", sys.orig_argv, os.environ)
    except OSError:
        return  # As above.


def _unwritable(path: str) -> int:
    """A read-only mount of it; for an ordinary user, who may make none, a sealed copy (memfd_create(2))."""
    if os.geteuid() != 0:
        return _sealed_copy(path)
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        mount = open_tree(place, False)
        mount_setattr(mount, MOUNT_ATTR_RDONLY, path=path)
        return mount
    finally:
        os.close(place)


def _sealed_copy(path: str) -> int:
    copy = os.memfd_create("python", _MFD_CLOEXEC_SEALABLE)
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while os.sendfile(copy, source, None, 2**24):
            pass
    finally:
        os.close(source)
    from fcntl import fcntl

    os.fchmod(copy, 0o555)
    fcntl(copy, _F_ADD_SEALS, _ALL_SEALS)
    return copy

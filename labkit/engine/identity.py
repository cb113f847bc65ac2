"""Users and groups by name, as the container's own /etc/passwd and /etc/group have them."""

from __future__ import annotations

import os
import stat

from labkit.errors import LabkitError
from labkit.linux.paths import openat2

_LARGEST = 4 * 2**20


def resolve(rootfs: str, user: str) -> tuple[int, int, tuple[int, ...], str]:
    """(uid, gid, supplementary gids, home) for `user`: `name`, `uid`, `name:group` or `uid:gid`.

    Raises LabkitError when the container's files do not have a name; a bare number needs no entry.
    """
    name, _, group = user.partition(":")
    entries = _read(rootfs, "/etc/passwd")
    entry = next((e for e in entries if len(e) >= 6 and name in (e[0], e[2]) and _is_id(e[2]) and _is_id(e[3])), None)
    if entry is None and not _is_id(name):
        raise LabkitError(
            f"user {name!r} is not in the container's /etc/passwd", "give a number, or add it to the image"
        )
    uid, gid, home = (int(entry[2]), int(entry[3]), entry[5]) if entry else (int(name), 0, "/")
    groups = _read(rootfs, "/etc/group")
    if group:
        found = next((e for e in groups if len(e) >= 3 and group in (e[0], e[2]) and _is_id(e[2])), None)
        if found is None and not _is_id(group):
            raise LabkitError(f"group {group!r} is not in the container's /etc/group", "give a number")
        gid = int(found[2]) if found else int(group)
    member = tuple(int(e[2]) for e in groups if entry and len(e) >= 4 and _is_id(e[2]) and entry[0] in e[3].split(","))
    return uid, gid, member, home


def _is_id(text: str) -> bool:
    # The largest 32-bit number means "leave as it is" to setresuid(2).
    return text.isascii() and text.isdecimal() and int(text) < 2**32 - 1


def _read(rootfs: str, path: str) -> list[list[str]]:
    try:
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise LabkitError(f"root filesystem {rootfs}: {error.strerror}", "check the path") from error
    try:
        # The image is hostile: O_NONBLOCK, since opening a FIFO would wait for a writer for ever.
        descriptor = openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise LabkitError(f"{path} in the container: {error.strerror}", "give --user as a number") from error
    finally:
        os.close(root)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return []
        text = os.read(descriptor, _LARGEST).decode(errors="surrogateescape")
    finally:
        os.close(descriptor)
    return [line.split(":") for line in text.split("\n")]

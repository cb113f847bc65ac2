"""Users and groups by name, as the container's own /etc/passwd and /etc/group have them."""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.linux.paths import openat2


def resolve(rootfs: str, user: str) -> tuple[int, int, tuple[int, ...], str]:
    """(uid, gid, supplementary gids, home) for `user`: `name`, `uid`, `name:group` or `uid:gid`.

    Raises LabkitError when the container's files do not have a name; a bare number needs no entry.
    """
    name, _, group = user.partition(":")
    entries = _read(rootfs, "/etc/passwd")
    entry = next((e for e in entries if len(e) >= 6 and name in (e[0], e[2])), None)
    if entry is None and not name.isdigit():
        raise LabkitError(
            f"user {name!r} is not in the container's /etc/passwd", "give a number, or add it to the image"
        )
    uid, gid, home = (int(entry[2]), int(entry[3]), entry[5]) if entry else (int(name), 0, "/")
    groups = _read(rootfs, "/etc/group")
    if group:
        found = next((e for e in groups if len(e) >= 3 and group in (e[0], e[2])), None)
        if found is None and not group.isdigit():
            raise LabkitError(f"group {group!r} is not in the container's /etc/group", "give a number")
        gid = int(found[2]) if found else int(group)
    member = tuple(int(e[2]) for e in groups if entry and len(e) >= 4 and entry[0] in e[3].split(","))
    return uid, gid, member, home


def _read(rootfs: str, path: str) -> list[list[str]]:
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = openat2(root, path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    finally:
        os.close(root)
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return [line.rstrip("\n").split(":") for line in file]

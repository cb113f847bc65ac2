"""What is on disk of a running container: one folder by its id, removed when the container is gone.

The folder's `state` is a few lines, `key value …`:

    version 1
    cgroup /sys/fs/cgroup/memory/labkit-ID     (one line each)
    owner PID START                            (the process that runs the container, with its start time)

`labkit gc` removes what an owner that no longer lives has left.
"""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.plan.parent import remove_cgroup, start_time
from labkit.plan.step import Scene

VERSION = 1
_LONGEST_ID = 128
_NO_ID_CHARACTERS = dict.fromkeys(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def root() -> str:
    """The folder of all state folders, made if it is missing: below /run for root, else the user's runtime folder."""
    if os.geteuid() == 0:
        folder = "/run/labkit/containers"
    else:
        runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/labkit-{os.getuid()}"
        folder = f"{runtime}/labkit/containers"
    try:
        os.makedirs(folder, 0o711, exist_ok=True)
    except OSError as error:
        hint = "set XDG_RUNTIME_DIR to a folder of your own"
        raise LabkitError(f"{error.filename}: {error.strerror}", hint) from error
    if os.stat(folder).st_uid != os.geteuid():
        raise LabkitError(f"{folder} belongs to another user", "set XDG_RUNTIME_DIR to a folder of your own")
    return folder


def new_id() -> str:
    """A fresh random id."""
    return os.urandom(6).hex()


def check_id(id: str) -> str:
    """`id` if it can name a folder and a cgroup: letters, digits and `_+-.`, as runc asks."""
    if not id or len(id) > _LONGEST_ID or id in (".", "..") or not id.isascii() or id.translate(_NO_ID_CHARACTERS):
        raise LabkitError(
            f"{id!r} is not a container id", f"use up to {_LONGEST_ID} letters, digits and the characters _ + - ."
        )
    return id


def content(cgroups: list[str]) -> str:
    """The state file's text, but for the owner, which the process that acts adds."""
    return f"version {VERSION}\n" + "".join(f"cgroup {folder}\n" for folder in cgroups)


def collect_garbage() -> list[str]:
    """Remove what containers have left whose engine is dead; returns their ids."""
    scene = Scene()
    removed = []
    folder = root()
    for id in sorted(os.listdir(folder)):
        path = f"{folder}/{id}"
        try:
            text = scene.kernel.read_file(f"{path}/state")
        except FileNotFoundError:
            text = ""  # The engine died between the folder and the file, before anything else was made.
        owner = next((line.split()[1:] for line in text.splitlines() if line.startswith("owner ")), None)
        if owner is not None and _alive(scene, *owner):
            continue
        for line in text.splitlines()[::-1]:
            key, _, value = line.partition(" ")
            if key == "cgroup":
                remove_cgroup(scene, value)
        if text:
            os.unlink(f"{path}/state")
        os.rmdir(path)
        removed.append(id)
    return removed


def _alive(scene: Scene, pid: str, start: str) -> bool:
    try:
        return str(start_time(scene.kernel.read_file(f"/proc/{pid}/stat"))) == start
    except (FileNotFoundError, ProcessLookupError):
        return False

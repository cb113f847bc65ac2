"""What is on disk of a running container: one folder by its id, removed when the container is gone.

The folder's `state` is a few lines, `key value …`:

    version 1
    parent /sys/fs/cgroup/memory/lab           (a cgroup that others may share; one line each, outermost first)
    cgroup /sys/fs/cgroup/memory/lab/ID        (one line each)
    owner PID START                            (the process that runs the container, with its start time)

`labkit gc` removes what an owner that no longer lives has left.
"""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.linux.cgroupfs import remove_cgroup
from labkit.linux.process import read_file
from labkit.linux.rundir import rundir
from labkit.plan.parent import remove_empty_cgroup, remove_state, start_time

VERSION = 1
_LONGEST_ID = 128
_NO_ID_CHARACTERS = dict.fromkeys(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")


def root() -> str:
    """The folder of all state folders."""
    return rundir("containers")


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


def content(cgroups: list[str], parents: list[str]) -> str:
    """The state file's text, but for the owner, which the process that acts adds."""
    lines = [f"version {VERSION}"]
    lines += [f"parent {folder}" for folder in parents]
    lines += [f"cgroup {folder}" for folder in cgroups]
    return "\n".join(lines) + "\n"


def collect_garbage() -> list[str]:
    """Remove what containers have left whose engine is dead; returns their ids."""
    removed = []
    folder = root()
    for id in sorted(os.listdir(folder)):
        path = f"{folder}/{id}"
        try:
            text = read_file(f"{path}/state")
        except FileNotFoundError:
            text = ""  # Gone since it was listed, or its engine was killed while it filled the folder.
        owner = next((line.split()[1:] for line in text.splitlines() if line.startswith("owner ")), None)
        if owner is None and id.startswith("."):
            # A folder not yet renamed (see MakeStateFolder) ends in the pid of who fills it.
            pid = id.rpartition(".")[2]
            if os.path.exists(f"/proc/{pid}"):
                continue
        if owner is not None and alive(*owner):
            continue
        for line in text.splitlines()[::-1]:
            key, _, value = line.partition(" ")
            if key == "cgroup":
                remove_cgroup(value)
            elif key == "parent":
                remove_empty_cgroup(value)
        remove_state(path)
        if not id.startswith("."):
            removed.append(id)
    return removed


def alive(pid: str, start: str) -> bool:
    """Whether the process `pid` that began at the tick `start` still runs."""
    try:
        stat = read_file(f"/proc/{pid}/stat")
        # A zombie is dead too: it waits for its parent only.
        return str(start_time(stat)) == start and stat.rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False

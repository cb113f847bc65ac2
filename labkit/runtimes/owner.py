"""Who asked for a sandbox, kept where `labkit gc` finds it when that process was killed, and the sandbox left behind.

    …/labkit/owners/KIND.ID -> "NAME PID START"

KIND tells drivers apart that may have the same id; NAME is the driver's, PID and START the asking process's identity.
A symbolic link is made with its content, as a whole or not at all: nobody finds a record that is half written.
"""

from __future__ import annotations

import os
import re

from labkit.errors import LabkitError
from labkit.linux.proc import alive, read_file, start_time
from labkit.linux.rundir import rundir


def take(name: str, id: str) -> None:
    """Record that this process has a sandbox `id` of the driver `name`. Raises LabkitError when somebody has one."""
    try:
        os.symlink(f"{name} {os.getpid()} {start_time(read_file('/proc/self/stat'))}", _path(name, id))
    except FileExistsError:
        raise LabkitError(f"{name} has a sandbox with the id {id!r}", "choose another, or: labkit gc") from None


def release(name: str, id: str) -> None:
    """Forget who has it, when nothing of it is left; once more does nothing."""
    try:
        os.unlink(_path(name, id))
    except FileNotFoundError:
        pass


def known(name: str, id: str) -> bool:
    """Whether somebody has, or had, a sandbox `id` of the driver `name` of which something may be left."""
    return os.path.lexists(_path(name, id))


def forgotten() -> list[tuple[str, str]]:
    """The driver's name and the id of each sandbox whose owner no longer lives."""
    folder = rundir("owners")
    found = []
    for entry in sorted(os.listdir(folder)):
        try:
            name, pid, start = os.readlink(f"{folder}/{entry}").rsplit(" ", 2)
        except FileNotFoundError:
            continue  # It was released meanwhile.
        if not alive(int(pid), int(start)):
            found.append((name, entry.partition(".")[2]))
    return found


def _path(name: str, id: str) -> str:
    kind = re.split("[:+]", name, maxsplit=1)[0]
    return f"{rundir('owners')}/{kind}.{id}"

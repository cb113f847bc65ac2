"""What the kernel did about a limit: kills for want of memory, forks refused; and a descriptor that tells of kills."""

from __future__ import annotations

import os
import time

from labkit.cgroups.folders import descend, having
from labkit.errors import LabkitError
from labkit.linux.libc import syscall
from labkit.linux.proc import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# inotify(7).
_IN_MODIFY = 2
# The kill follows what is told at once, but for what else this CPU has to do.
_COUNTED_WITHIN = 0.5
_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def oom_kills(folders: Sequence[str]) -> int | None:
    """How many processes of the container were killed for want of memory; None when its cgroup does not tell."""
    v2 = having(folders, "memory.events")
    if v2 is not None:
        return _key(f"{v2}/memory.events", "oom_kill")
    v1 = having(folders, "memory.oom_control")
    if v1 is None:
        return None
    # v1 counts in each cgroup for itself; before Linux 4.13 not at all.
    counts = [_key(f"{folder}/memory.oom_control", "oom_kill") for folder in descend(v1)]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def refused_forks(folders: Sequence[str]) -> int | None:
    """How often fork(2) failed at pids.max; None when no cgroup tells."""
    folder = having(folders, "pids.events")
    return None if folder is None else _key(f"{folder}/pids.events", "max")


def reason_of_death(folders: Sequence[str], limit: int | None = None) -> str | None:
    """Why the kernel killed one of the container's processes, in words; None when it did not.

    `limit` is the memory limit in bytes, read from the cgroup when it is None. To be asked while the cgroups are there.
    """
    if not oom_kills(folders):
        return None
    said = ["killed: out of memory"]
    limit = _first_number(folders, "memory.max", "memory.limit_in_bytes") if limit is None else limit
    if limit is not None and 0 < limit < 2**62:
        said.append(f"limit {amount(limit)}")
    peak = _first_number(folders, "memory.peak", "memory.max_usage_in_bytes")
    if peak is not None:
        said.append(f"peak {amount(peak)}")
    return ", ".join(said)


def amount(number: int) -> str:
    """Bytes for people: 64 MiB, 63.9 MiB."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{number} B"


def open_oom(folders: Sequence[str]) -> int:
    """A descriptor that becomes readable at a kill for want of memory, and when the cgroup is removed.

    It may become readable without either, so ask ran_out() then. Close it after use. v1 gives an eventfd (memory.rst,
    OOM Control), v2 an inotify descriptor on memory.events.
    """
    v1 = having(folders, "memory.oom_control")
    try:
        if v1 is not None:
            return _eventfd(v1)
        v2 = having(folders, "memory.events")
        if v2 is not None:
            return _inotify(f"{v2}/memory.events")
    except OSError as error:
        raise LabkitError(f"kills for want of memory cannot be watched: {error.filename}: {error.strerror}") from error
    raise LabkitError(
        "kills for want of memory cannot be watched: the container has no cgroup of the controller 'memory'",
        "labkit doctor shows the controllers",
    )


def ran_out(watch: int, folders: Sequence[str], kills: int) -> bool:
    """Read the descriptor of open_oom(), and tell whether memory ran out since it was read before.

    `kills` is what oom_kills() said then.
    """
    try:
        told = bool(os.read(watch, 4096))
    except BlockingIOError:
        told = False
    v1 = having(folders, "memory.oom_control")
    if v1 is not None:
        return told and _is_another(v1, folders, kills)
    # v2 tells of every line of memory.events.
    return (oom_kills(folders) or 0) > kills


def _is_another(folder: str, folders: Sequence[str], kills: int) -> bool:
    """Whether what v1 tells of is more than the kills that were counted before.

    It tells before it kills, and may tell again while the killed process still ends. So the count is waited for, unless
    the kernel has none, or is told not to kill (memory.rst, section 10).
    """
    deadline = time.monotonic() + _COUNTED_WITHIN
    while (count := oom_kills(folders)) is not None and count <= kills:
        if _key(f"{folder}/memory.oom_control", "oom_kill_disable"):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return os.path.exists(f"{folder}/memory.oom_control")


def _eventfd(folder: str) -> int:
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    control = -1
    try:
        control = os.open(f"{folder}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        write_file(f"{folder}/cgroup.event_control", f"{event} {control}")
    except OSError:
        os.close(event)
        raise
    finally:
        if control >= 0:
            os.close(control)
    return event


def _inotify(path: str) -> int:
    descriptor = syscall("inotify_init1", os.O_CLOEXEC | os.O_NONBLOCK, path="inotify")
    try:
        syscall("inotify_add_watch", descriptor, path.encode(), _IN_MODIFY, path=path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _key(path: str, name: str) -> int | None:
    try:
        for line in read_file(path).splitlines():
            key, _, number = line.partition(" ")
            if key == name:
                return int(number)
    except FileNotFoundError:
        pass  # The cgroup has gone.
    return None


def _first_number(folders: Sequence[str], *files: str) -> int | None:
    for file in files:
        folder = having(folders, file)
        if folder is not None:
            text = read_file(f"{folder}/{file}").strip()
            return None if text == "max" else int(text)
    return None

"""The processes of a container, found by its cgroups, and a signal to all of them."""

from __future__ import annotations

import errno
import time

from labkit.cgroups.folders import descend, having
from labkit.cgroups.freeze import is_frozen, pause, resume
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.proc import read_file, write_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_SIGKILL = 9
_DEADLINE = 10.0


def pids(folders: Sequence[str]) -> list[int]:
    """The processes in the cgroups `folders` and all below them, as this process's pid namespace numbers them.

    A process that is in any of the trees counts. Empty when they are gone.
    """
    found = set()
    for top in folders:
        for folder in descend(top):
            found.update(_members(folder))
    # 0 stands for a process of another pid namespace, which has no number here.
    return sorted(found - {0})


def _members(folder: str) -> list[int]:
    for file in ("cgroup.procs", "cgroup.threads"):
        try:
            return [int(pid) for pid in read_file(f"{folder}/{file}").split()]
        except OSError as error:
            # A threaded cgroup of v2 lists threads only (cgroup-v2.rst, Threads).
            if error.errno not in (errno.ENOTSUP, errno.ENOENT, errno.ENODEV):
                raise
    return []


def kill_all(folders: Sequence[str], signal: int) -> None:
    """Send `signal` to every process in the cgroups `folders` and below; nothing to do when they are gone.

    SIGKILL goes to all at once where the kernel can (cgroup.kill, Linux 5.14). Otherwise they are frozen first, so that
    none is forked meanwhile. Frozen processes stay so, unless they are killed.
    """
    v2 = having(folders, "cgroup.kill")
    if signal == _SIGKILL and v2 is not None and set(pids([v2])) >= set(pids(folders)):
        write_file(f"{v2}/cgroup.kill", "1")
        # On a hybrid host they may be frozen in the v1 tree, which delivers even SIGKILL only after the thaw.
        if is_frozen(folders):
            resume(folders)
        return
    frozen = is_frozen(folders)
    try:
        if not frozen:
            pause(folders)
    except LabkitError:
        # Without a freezer, or with a process that will not stop: again and again, until nothing new appears.
        _signal_until_none_is_new(folders, signal)
        return
    for pid in pids(folders):
        _signal(pid, signal)
    if not frozen or signal == _SIGKILL:
        # v1 delivers even SIGKILL only after the thaw.
        try:
            resume(folders)
        except LabkitError:
            pass  # All have ended, and their engine was quicker to remove the cgroup.


def _signal_until_none_is_new(folders: Sequence[str], signal: int) -> None:
    seen: set[int] = set()
    end = time.monotonic() + _DEADLINE
    while (new := set(pids(folders)) - seen) and time.monotonic() < end:
        for pid in new:
            _signal(pid, signal)
        seen |= new


def _signal(pid: int, signal: int) -> None:
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        pass  # It has ended meanwhile.

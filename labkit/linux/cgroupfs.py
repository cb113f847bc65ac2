"""Removing a cgroup: a folder of cgroupfs that can be removed once no process is in it (cgroups(7))."""

from __future__ import annotations

import errno
import os
import time

from labkit.linux.process import read_file

_SIGKILL = 9
_DEADLINE = 10.0


def remove_cgroup(path: str) -> None:
    """Kill what is left in the cgroup and those below it, and remove them; nothing to do when it is gone.

    Raises OSError (EBUSY) when its processes do not end within ten seconds.
    """
    deadline = time.monotonic() + _DEADLINE
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        _kill_members(path)
        # A killed process leaves its cgroup only once it is reaped, and v1 has no file that would tell.
        time.sleep(0.001)


def _kill_members(path: str) -> None:
    try:
        below = [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
        pids = read_file(f"{path}/cgroup.procs").split()
    except FileNotFoundError:
        return  # Its own runtime was quicker.
    for folder in below:
        remove_cgroup(folder)
    for pid in pids:
        try:
            os.kill(int(pid), _SIGKILL)
        except ProcessLookupError:
            pass  # It has ended meanwhile, which is what was wanted.

"""The cgroups of one sandbox, found by its id in every mounted tree, and their removal."""

from __future__ import annotations

import os
import signal
import time

from labkit.cgroups.detect import detect
from labkit.errors import LabkitError

_DEADLINE = 10.0


def of(id: str) -> list[str]:
    """The folders named for the sandbox `id` in any mounted cgroup tree, the deepest first."""
    names = {id, f"labkit-{id}", f"runc-{id}.scope", f"crun-{id}.scope"}
    found = []
    for hierarchy in detect().hierarchies:
        for folder, below, _ in os.walk(hierarchy.mount):
            found += [f"{folder}/{name}" for name in below if name in names]
    return sorted(found, key=len, reverse=True)


def remove(id: str) -> None:
    """Kill what is left in the sandbox's cgroups and remove them. Raises LabkitError when one stays."""
    for folder in of(id):
        _remove(folder, time.monotonic() + _DEADLINE)


def _remove(folder: str, deadline: float) -> None:
    for below, _, _ in os.walk(folder, topdown=False):
        while True:
            try:
                os.rmdir(below)
                break
            except FileNotFoundError:
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabkitError(f"{below}: {error.strerror}", "its processes do not end; see: ps axl") from error
            _kill(below)
            # A killed process leaves its cgroup once it is reaped, and v1 has no file that would tell.
            time.sleep(0.002)


def _kill(folder: str) -> None:
    try:
        with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
            pids = file.read().split()
    except FileNotFoundError:
        return
    for pid in pids:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass  # It has ended meanwhile, which is what was wanted.

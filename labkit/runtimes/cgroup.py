"""The cgroups of one sandbox, found by its id in every mounted tree, and their removal."""

from __future__ import annotations

import os
import shutil

from labkit.cgroups.detect import detect
from labkit.errors import LabkitError
from labkit.linux.cgroupfs import remove_cgroup


def of(id: str) -> list[str]:
    """The folders named for the sandbox `id` in any mounted cgroup tree, or beside them, the deepest first."""
    names = {id, f"labkit-{id}", f"runc-{id}.scope", f"crun-{id}.scope"}
    found = []
    for hierarchy in detect().hierarchies:
        for folder, below, _ in os.walk(hierarchy.mount):
            found += [f"{folder}/{name}" for name in below if name in names]
        # runsc, and podman's monitor, make plain folders for v1 controllers that are not mounted, in what
        # /sys/fs/cgroup is then: a tmpfs.
        beside = os.path.dirname(hierarchy.mount)
        for tree in os.listdir(beside) if hierarchy.version == 1 else ():
            found += [f"{beside}/{tree}/{name}" for name in names if os.path.isdir(f"{beside}/{tree}/{name}")]
    return sorted(set(found), key=len, reverse=True)


def remove(id: str) -> None:
    """Kill what is left in the sandbox's cgroups and remove them. Raises LabkitError when one stays."""
    for folder in of(id):
        try:
            if os.path.exists(f"{folder}/cgroup.procs"):
                remove_cgroup(folder)
            else:
                shutil.rmtree(folder)
        except FileNotFoundError:
            pass  # Its own runtime was quicker.
        except OSError as error:
            raise LabkitError(f"{folder}: {error.strerror}", "its processes do not end; see: ps axl") from error

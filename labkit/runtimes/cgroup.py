"""The cgroups of one sandbox, found by its id in every mounted tree, and their removal."""

from __future__ import annotations

import os

from labkit.cgroups.detect import detect
from labkit.errors import LabkitError
from labkit.linux.cgroupfs import remove_cgroup


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
        try:
            remove_cgroup(folder)
        except OSError as error:
            raise LabkitError(f"{folder}: {error.strerror}", "its processes do not end; see: ps axl") from error

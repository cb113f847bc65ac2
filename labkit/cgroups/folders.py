"""A live container's cgroups as its state lists them: absolute folders, one for each v1 tree and one of v2."""

from __future__ import annotations

from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.proc import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def is_v2(folder: str) -> bool:
    """Whether it is of cgroup v2, which alone has this file."""
    return os.path.exists(f"{folder}/cgroup.controllers")


def controllers(folder: str) -> set[str]:
    """The controllers that can limit this cgroup."""
    try:
        if is_v2(folder):
            return set(read_file(f"{folder}/cgroup.controllers").split())
        # v1 has no such list, but every file is named for its controller.
        return {name.partition(".")[0] for name in os.listdir(folder) if "." in name} - {"cgroup"}
    except FileNotFoundError:
        raise gone(folder) from None


def having(folders: Sequence[str], file: str) -> str | None:
    """The first of the folders that has `file`."""
    for folder in folders:
        if os.path.exists(f"{folder}/{file}"):
            return folder
    return None


def descend(folder: str) -> list[str]:
    """The cgroup and all below it, the outermost first; empty when it is gone."""
    found = [folder]
    for one in found:
        try:
            found += [entry.path for entry in os.scandir(one) if entry.is_dir(follow_symlinks=False)]
        except FileNotFoundError:
            pass  # Somebody inside removed it meanwhile.
    return found if os.path.isdir(folder) else []


def gone(folder: str) -> LabkitError:
    """The error for a cgroup that is no longer there."""
    return LabkitError(f"the cgroup {folder} is gone", "the container has ended, or somebody else removed it")

"""cgroupsPath in systemd's form, `slice:prefix:name`: the scope `prefix-name.scope` in that slice, as runc reads it."""

from __future__ import annotations

import os

from labkit.errors import SpecError
from labkit.linux.proc import read_file

_POINTER = "/linux/cgroupsPath"
BUSCTL = "/usr/bin/busctl"
# sd_booted(3).
RUNNING = "/run/systemd/system"


class Scope:
    """A scope by its unit's name and the slice it is in."""

    __slots__ = ("slice", "unit")

    def __init__(self, slice: str, unit: str) -> None:
        self.slice = slice
        self.unit = unit

    def folder(self) -> str:
        """Its cgroup below the root of the tree."""
        return f"{slice_folder(self.slice)}/{self.unit}"


def parse(path: str) -> Scope | None:
    """The scope that `path` names, None when it is the path of a folder."""
    parts = path.split(":")
    if len(parts) != 3 or "/" in path:
        return None
    slice, prefix, name = parts
    slice = slice or "system.slice"
    slice_folder(slice)
    if not name or ".." in name:
        raise SpecError(_POINTER, f"must be slice:prefix:name, not {path!r}", "such as system.slice:labkit:box")
    return Scope(slice, f"{prefix}-{name}.scope" if prefix else f"{name}.scope")


def slice_folder(slice: str) -> str:
    """`a-b.slice` is in `a.slice`: /a.slice/a-b.slice (systemd.slice(5)); -.slice is the root."""
    name = slice.removesuffix(".slice")
    if name == "-":
        return ""
    parts = name.split("-")
    if name == slice or not all(parts) or "." in name:
        advice = "a slice is called such as system.slice or machine-lab.slice; systemd.slice(5)"
        raise SpecError(_POINTER, f"{slice!r} is not the name of a slice", advice)
    return "".join(f"/{'-'.join(parts[: depth + 1])}.slice" for depth in range(len(parts)))


def require(mode: str) -> None:
    """Raise SpecError unless systemd runs here, on a host of the layout `mode`, for whom this process may ask it."""
    advice = "give a folder, such as /lab/box"
    if not os.path.isdir(RUNNING):
        raise SpecError(_POINTER, "names a unit of systemd, which does not run here", advice)
    if mode != "v2":
        raise SpecError(_POINTER, f"names a unit of systemd, which takes cgroup v2 alone; this host is {mode}", advice)
    if os.geteuid() != 0 or read_file("/proc/self/uid_map").split() != ["0", "0", "4294967295"]:
        raise SpecError(_POINTER, "names a unit of systemd, which starts it for root only", advice)
    if not os.access(BUSCTL, os.X_OK):
        raise SpecError(_POINTER, f"names a unit of systemd, and {BUSCTL} is missing", "apt-get install systemd")

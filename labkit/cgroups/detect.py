"""Which cgroup trees are mounted where, and where in them this process stands.

Read from /proc/self/mountinfo and /proc/self/cgroup, never guessed: a host may have v1 hierarchies, the v2 tree, or
both with the controllers divided between them.
"""

from __future__ import annotations

from labkit.linux import os
from labkit.linux.proc import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Hierarchy:
    """One mounted tree: `path` is this process's own cgroup in it, `controllers` what it can limit (v1: co-mounted)."""

    __slots__ = ("controllers", "mount", "path", "version")

    def __init__(self, version: int, mount: str, path: str, controllers: tuple[str, ...]) -> None:
        self.version = version
        self.mount = mount
        self.path = path
        self.controllers = controllers


class Layout:
    """All hierarchies of the host; `mode` is `v1`, `v2`, `hybrid` or `none`."""

    __slots__ = ("hierarchies", "mode")

    def __init__(self, hierarchies: Iterable[Hierarchy]) -> None:
        self.hierarchies = tuple(hierarchies)
        versions = {hierarchy.version for hierarchy in self.hierarchies}
        self.mode = f"v{versions.pop()}" if len(versions) == 1 else "hybrid" if versions else "none"

    def of(self, controller: str) -> Hierarchy | None:
        """The hierarchy that has `controller`."""
        for hierarchy in self.hierarchies:
            if controller in hierarchy.controllers:
                return hierarchy
        return None

    def v2(self) -> Hierarchy | None:
        """The unified tree, where it is mounted."""
        return next((hierarchy for hierarchy in self.hierarchies if hierarchy.version == 2), None)

    def mounts(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """How a container mounts the same trees: (folder, filesystem, options); folder "" is all of /sys/fs/cgroup."""
        if self.mode == "v2":
            return (("", "cgroup2", ()),)
        return tuple(
            (os.path.basename(h.mount), "cgroup" if h.version == 1 else "cgroup2", _options(h))
            for h in self.hierarchies
        )

    def places(self) -> dict[str, str]:
        """Where the host has each tree, by the same folder."""
        return {"" if self.mode == "v2" else os.path.basename(h.mount): h.mount for h in self.hierarchies}

    def named(self, folders: Iterable[str]) -> dict[str, str]:
        """Cgroups by the folder that `mounts` gives their tree."""
        return {
            "" if self.mode == "v2" else os.path.basename(h.mount): folder
            for h in self.hierarchies
            for folder in folders
            if folder.startswith(h.mount + "/")
        }


def _options(hierarchy: Hierarchy) -> tuple[str, ...]:
    if hierarchy.version == 2:
        return ()
    named = [controller for controller in hierarchy.controllers if controller.startswith("name=")]
    return ("none", *named) if named else hierarchy.controllers


# What was read last, and what it meant.
_known: tuple[tuple[str, str], Layout] | None = None


def detect() -> Layout:
    """The layout as this process sees it now."""
    global _known
    texts = read_file("/proc/self/mountinfo"), read_file("/proc/self/cgroup")
    if _known is not None and _known[0] == texts:
        layout = _known[1]
        unified = layout.v2()
        if unified is None or unified.controllers == _v2_controllers(unified.mount):
            return layout
    layout = parse(*texts, _v2_controllers)
    _known = texts, layout
    return layout


def _v2_controllers(mount: str) -> tuple[str, ...]:
    return tuple(read_file(f"{mount}/cgroup.controllers").split())


def parse(mountinfo: str, own: str, v2_controllers: Callable[[str], tuple[str, ...]]) -> Layout:
    """The layout that the texts of /proc/PID/mountinfo and /proc/PID/cgroup describe.

    `v2_controllers` gives for a mount point of the v2 tree the controllers it has (cgroup.controllers).
    """
    standing = {}
    for line in own.splitlines():
        _, names, path = line.split(":", 2)
        standing[frozenset(names.split(",")) if names else frozenset()] = path
    hierarchies: dict[frozenset[str], Hierarchy] = {}
    for line in mountinfo.splitlines():
        if " - cgroup" not in line:
            continue
        head, _, tail = line.partition(" - ")
        filesystem, _, super_options = tail.split(" ", 2)
        if filesystem not in ("cgroup", "cgroup2"):
            continue
        root, mount = (_unescape(field) for field in head.split(" ")[3:5])
        if filesystem == "cgroup2":
            key: frozenset[str] = frozenset()
        else:
            key = next((k for k in standing if k and k <= set(super_options.split(","))), frozenset({"?"}))
        # A tree that is mounted twice counts once, the first time; one this process is not in cannot be used.
        if key not in standing or key in hierarchies:
            continue
        controllers = v2_controllers(mount) if not key else tuple(c for c in super_options.split(",") if c in key)
        hierarchies[key] = Hierarchy(1 if key else 2, mount, _below(mount, root, standing[key]), controllers)
    return Layout(hierarchies.values())


def _below(mount: str, root: str, path: str) -> str:
    """The folder of cgroup `path` when the tree's `root` is what is mounted at `mount`."""
    if root != "/":
        path = path[len(root) :] if path == root or path.startswith(root + "/") else "/"
    # Seen from a cgroup namespace, a cgroup outside of it begins with /.. and has no folder here.
    if path.startswith("/.."):
        path = "/"
    return mount + path.rstrip("/")


def _unescape(field: str) -> str:
    """proc_pid_mountinfo(5) writes blanks and backslashes as octal."""
    if "\\" not in field:
        return field
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field

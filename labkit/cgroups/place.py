"""From limits to the parent's steps: where the container's cgroups go, what is written to them, how it joins.

They go below the caller's own cgroup, so that limits it is under hold for its containers too. On v2 a cgroup with
processes may not have controllers for its children ("no internal processes"), so the nearest ancestor that may is
taken; on a systemd host that is the slice delegated to the user.
"""

from __future__ import annotations

import os

from labkit.cgroups import v1, v2
from labkit.cgroups.detect import Hierarchy, Layout
from labkit.errors import LabkitError
from labkit.linux.process import read_file
from labkit.plan.parent import (
    CloneIntoCgroup,
    InheritCpuset,
    MakeCgroup,
    MakeParentCgroup,
    WriteCgroup,
)
from labkit.plan.process import JoinCgroup
from labkit.plan.step import Step
from labkit.spec.model import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Limit = tuple[str, str, str, str]  # (controller, file, value, why)

_ALWAYS_ENABLED = ("memory", "cpu", "pids")


class Placement:
    """The cgroup steps of one container: `before` the clone and then the child's, the folders made, and notes.

    `folders` are the container's own cgroups, `parents` those on the way to them, which others may share.
    """

    __slots__ = ("before", "child", "folders", "notes", "parents")

    def __init__(self) -> None:
        self.before: list[Step] = []
        self.child: list[Step] = []
        self.folders: list[str] = []
        self.parents: list[str] = []
        self.notes: list[str] = []


def place(resources: Resources, path: str, id: str, layout: Layout) -> Placement:
    """The steps for `resources` in cgroups named by cgroupsPath `path`, or `labkit-ID` when it is empty.

    Raises LabkitError when a limit was asked for that no cgroup of the caller can keep.
    """
    placement = Placement()
    limits: list[Limit] = []
    for hierarchy in layout.hierarchies:
        found = v1.writes(resources) if hierarchy.version == 1 else v2.writes(resources)
        limits += [limit for limit in found if limit[0] in hierarchy.controllers]
    for controller, file, value, _ in v1.writes(resources) if layout.mode != "v2" else v2.writes(resources):
        # Device rules without their controller are kept otherwise (engine.prepare).
        if controller != "devices" and layout.of(controller) is None:
            raise LabkitError(
                f"{file} cannot be set to {value}: this host has no cgroup controller {controller!r}",
                "labkit doctor shows the controllers and where they are",
            )
    for hierarchy in layout.hierarchies:
        own = [limit for limit in limits if limit[0] in hierarchy.controllers]
        if hierarchy.version == 1:
            _place_v1(placement, own, path, id, hierarchy)
        elif own or layout.mode == "v2":
            # On a hybrid host the unified tree is used for the controllers that it alone has.
            _place_v2(placement, own, path, id, hierarchy)
    return placement


def _name(path: str, id: str) -> tuple[bool, list[str]]:
    """Whether the path counts from the tree's root, and its components."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise LabkitError(f"cgroupsPath {path!r} climbs out of its cgroup", "leave out the ..")
    return path.startswith("/"), parts or [f"labkit-{id}"]


def _make(placement: Placement, start: str, parts: list[str], prepare: Callable[[str], list[Step]]) -> str:
    """Steps that make the cgroup `parts` below `start`; `prepare` gives those that make one fit for children."""
    for depth, part in enumerate(parts, 1):
        start = f"{start}/{part}"
        if depth == len(parts):
            placement.before.append(MakeCgroup(start))
            placement.folders.append(start)
        elif not os.path.isdir(start):
            placement.before += [MakeParentCgroup(start), *prepare(start)]
            placement.parents.append(start)
    return start


def _place_v1(placement: Placement, limits: list[Limit], path: str, id: str, hierarchy: Hierarchy) -> None:
    absolute, parts = _name(path, id)
    start = hierarchy.mount if absolute else hierarchy.path
    if hierarchy.controllers[0].startswith("name="):
        # systemd's bookkeeping tree limits nothing.
        return
    if not os.access(start, os.W_OK):
        # Device rules are no limit anybody asked an ordinary user's container to keep: it cannot make nodes anyway.
        if any(limit[0] != "devices" for limit in limits):
            raise _not_writable(start, limits[0][1])
        note = "no cgroup on v1 hierarchies that this user may not write to"
        if note not in placement.notes:
            placement.notes.append(note)
        return

    def inherit(folder: str) -> list[Step]:
        return [InheritCpuset(folder)] if "cpuset" in hierarchy.controllers else []

    folder = _make(placement, start, parts, inherit)
    placement.before += inherit(folder)
    for _, file, value, why in limits:
        if file == "memory.memsw.limit_in_bytes" and not os.path.exists(f"{start}/{file}"):
            placement.notes.append("swap is not counted: the kernel runs without swap accounting")
            continue
        placement.before.append(WriteCgroup(f"{folder}/{file}", value, why))
    placement.child.append(JoinCgroup(folder))


def _place_v2(placement: Placement, limits: list[Limit], path: str, id: str, hierarchy: Hierarchy) -> None:
    absolute, parts = _name(path, id)
    needed = {limit[0] for limit in limits}
    start = hierarchy.mount if absolute else _nearest(hierarchy, needed)
    if start is None or not os.access(start, os.W_OK):
        if limits:
            raise _not_writable(hierarchy.path, limits[0][1])
        placement.notes.append(f"no cgroup: {hierarchy.path} is not delegated to this user")
        return
    available = set(read_file(f"{start}/cgroup.controllers").split())
    enabled = set(read_file(f"{start}/cgroup.subtree_control").split())
    wanted = sorted((needed | set(_ALWAYS_ENABLED)) & available)
    if set(wanted) - enabled and may_enable(start):
        placement.before.append(_hand_down(start, [controller for controller in wanted if controller not in enabled]))
    folder = _make(placement, start, parts, lambda made: [_hand_down(made, wanted)] if wanted else [])
    swap_uncounted = os.path.exists(f"{start}/memory.max") and not os.path.exists(f"{start}/memory.swap.max")
    for _, file, value, why in limits:
        if file == "memory.swap.max" and swap_uncounted:
            placement.notes.append("swap is not counted: the kernel runs without swap accounting")
            continue
        placement.before.append(WriteCgroup(f"{folder}/{file}", value, why))
    placement.before.append(CloneIntoCgroup(folder))


def _hand_down(folder: str, controllers: list[str]) -> Step:
    value = " ".join(f"+{controller}" for controller in controllers)
    why = "a controller works in a cgroup only when the parent hands it down"
    return WriteCgroup(f"{folder}/cgroup.subtree_control", value, why)


def _nearest(hierarchy: Hierarchy, needed: set[str]) -> str | None:
    """The caller's cgroup, or its nearest ancestor, in which children with the `needed` controllers can be made."""
    folder = hierarchy.path
    while True:
        if os.access(folder, os.W_OK) and os.access(f"{folder}/cgroup.procs", os.W_OK):
            has = set(read_file(f"{folder}/cgroup.controllers").split())
            handed = set(read_file(f"{folder}/cgroup.subtree_control").split())
            if needed <= handed or (needed <= has and may_enable(folder)):
                return folder
        if folder == hierarchy.mount:
            return None
        folder = os.path.dirname(folder)


def may_enable(folder: str) -> bool:
    """Whether controllers can be handed down here: the real root always may, others only without processes."""
    is_root = not os.path.exists(f"{folder}/cgroup.type")
    return is_root or (
        os.access(f"{folder}/cgroup.subtree_control", os.W_OK) and not read_file(f"{folder}/cgroup.procs")
    )


def _not_writable(folder: str, file: str) -> LabkitError:
    return LabkitError(
        f"{file} cannot be set: the cgroup {folder} is not delegated to this user",
        "run as root, or under systemd: systemd-run --user --scope -p Delegate=yes labkit run …",
    )

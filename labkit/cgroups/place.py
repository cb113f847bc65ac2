"""From limits to the parent's steps: where the container's cgroups go, what is written to them, how it joins.

They go below the caller's own cgroup, so that limits it is under hold for its containers too. On v2 a cgroup with
processes may not have controllers for its children ("no internal processes"), so the nearest ancestor that may is
taken; on a systemd host that is the slice delegated to the user.
"""

from __future__ import annotations

from labkit.cgroups.choose import choose, notes
from labkit.cgroups.detect import Hierarchy, Layout
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.linux.proc import read_file
from labkit.plan.cgroup import AttachDeviceProgram, HandDown, WriteDeviceRules, WriteEitherCgroup
from labkit.plan.parent import CloneIntoCgroup, InheritCpuset, MakeCgroup, MakeParentCgroup, TakeCgroup, WriteCgroup
from labkit.plan.process import JoinCgroup
from labkit.plan.step import Step
from labkit.spec.model import DeviceRule, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.cgroups.limit import Limit
    from labkit.cgroups.systemd import Scope

# Files of v1 whose limits are left out, with a note, on a kernel without them.
_MAY_BE_MISSING = {
    "memory.memsw.limit_in_bytes": "swap is not counted: the kernel runs without swap accounting",
    "memory.kmem.tcp.limit_in_bytes": "memory.kernelTCP is left out: this kernel counts it with the rest",
}
_CPUSET = ("cpuset.cpus", "cpuset.mems")
# What a new cgroup has anyway.
_FRESH = {("cpu.shares", "1024"), ("cpu.cfs_period_us", "100000")}
# On a hybrid host what v2 has besides is left as it is.
_ALWAYS_ENABLED = ("memory", "cpu", "pids")
# What systemd can delegate to a scope (systemd.resource-control(5), Delegate=).
_DELEGATED = ("cpu", "cpuset", "io", "memory", "pids")


class Placement:
    """The cgroup steps of one container: `before` and `after` the clone, the child's, the folders made, and notes.

    `folders` are the container's own cgroups, `parents` those on the way to them, which others may share; `shared` says
    that others are in its own too.
    """

    __slots__ = ("after", "before", "child", "folders", "notes", "parents", "shared")

    def __init__(self) -> None:
        self.before: list[Step] = []
        self.after: list[Step] = []
        self.child: list[Step] = []
        self.folders: list[str] = []
        self.parents: list[str] = []
        self.notes: list[str] = []
        self.shared = False


def place(resources: Resources, path: str, id: str, layout: Layout) -> Placement:
    """The steps for `resources` in cgroups named by cgroupsPath `path`, or `labkit-ID` when it is empty.

    Raises LabkitError when a limit was asked for that no cgroup of the caller can keep.
    """
    placement = Placement()
    trees = [hierarchy for hierarchy in layout.hierarchies if not _named(hierarchy)]
    first = {controller for tree in trees if tree.version == 1 for controller in tree.controllers}
    unified = layout.v2()
    second = unified.controllers if unified else None
    old, new = choose(resources, first, second)
    placement.notes += notes(resources, second)
    # Without v1's controller, device rules are a program on v2.
    rules = resources.devices if unified and "devices" not in first else ()
    if ":" in path:
        # Imported here: few paths are in systemd's form.
        from labkit.cgroups import systemd

        scope = systemd.parse(path)
        if scope is not None:
            systemd.require(layout.mode)
            _place_scope(placement, new, rules, scope, id, trees[0])
            return placement
    for tree in trees:
        if tree.version == 1:
            _place_v1(placement, [limit for limit in old if limit.controller in tree.controllers], path, id, tree)
        elif new or rules or path or layout.mode == "v2":
            # On a hybrid host the unified tree is used for the controllers that it alone has, and by who names a path.
            _place_v2(placement, new, rules, path, id, tree, layout.mode == "v2")
    return placement


def _named(hierarchy: Hierarchy) -> bool:
    """Whether it is a v1 tree without controllers, such as systemd's for its bookkeeping: it limits nothing."""
    return any(controller.startswith("name=") for controller in hierarchy.controllers)


def _name(path: str, id: str) -> tuple[bool, list[str]]:
    """Whether the path counts from the tree's root, and its components."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise LabkitError(f"cgroupsPath {path!r} climbs out of its cgroup", "leave out the ..")
    return path.startswith("/"), parts or [f"labkit-{id}"]


def _make(placement: Placement, start: str, parts: list[str], prepare: Callable[[str, bool], list[Step]]) -> str:
    """Steps that make the cgroup `parts` below `start`.

    `prepare` gives those that make a cgroup on the way fit for children, told whether it is there already.
    """
    for depth, part in enumerate(parts, 1):
        start = f"{start}/{part}"
        if depth == len(parts):
            placement.before.append(_take(placement, start) if os.path.isdir(start) else MakeCgroup(start))
            placement.folders.append(start)
        elif os.path.isdir(start):
            placement.before += prepare(start, True)
        else:
            placement.before += [MakeParentCgroup(start), *prepare(start, False)]
            placement.parents.append(start)
    return start


def _take(placement: Placement, folder: str) -> Step:
    """The step that takes over a cgroup that is there; one that others are in stays theirs as well (as runc)."""
    from labkit.cgroups.freeze import is_frozen

    if is_frozen([folder]):
        raise LabkitError(f"container's cgroup unexpectedly frozen: {folder}", "thaw it, or give another cgroupsPath")
    members = len(read_file(f"{folder}/cgroup.procs").split())
    if not members:
        return TakeCgroup(folder)
    placement.shared = True
    note = f"warning: container's cgroup is not empty: {members} process(es) found"
    if note not in placement.notes:
        placement.notes.append(note)
    return MakeParentCgroup(folder)


def _place_v1(placement: Placement, limits: list[Limit], path: str, id: str, hierarchy: Hierarchy) -> None:
    absolute, parts = _name(path, id)
    start = hierarchy.mount if absolute else hierarchy.path
    if not os.access(start, os.W_OK):
        # Device rules are no limit anybody asked an ordinary user's container to keep: it cannot make nodes anyway.
        for limit in limits:
            if limit.controller != "devices":
                raise _not_writable(start, limit.file)
        note = "no cgroup on v1 hierarchies that this user may not write to"
        if note not in placement.notes:
            placement.notes.append(note)
        return

    def inherit(folder: str, exists: bool) -> list[Step]:
        return [InheritCpuset(_CPUSET, False, folder)] if "cpuset" in hierarchy.controllers else []

    # The root cgroup, which alone has this file, lacks some of the files that those below it have.
    like = "" if not limits or os.path.exists(f"{start}/release_agent") else start
    folder = _make(placement, start, parts, inherit)
    fresh = isinstance(placement.before[-1], MakeCgroup) and not isinstance(placement.before[-1], TakeCgroup)
    if "cpuset" in hierarchy.controllers:
        unset = tuple(file for file in _CPUSET if file not in {limit.file for limit in limits})
        placement.before += [InheritCpuset(unset, fresh, folder)] * bool(unset)
    rules = tuple((limit.file, limit.value) for limit in limits if limit.controller == "devices")
    placement.before += [WriteDeviceRules(folder, rules)] * bool(rules)
    for limit in limits:
        if limit.controller == "devices" or (fresh and (limit.file, limit.value) in _FRESH):
            continue
        if limit.file in _MAY_BE_MISSING and not os.path.exists(f"{start}/{limit.file}"):
            placement.notes.append(_MAY_BE_MISSING[limit.file])
            continue
        placement.before.append(_write(folder, limit, like))
    placement.child.append(JoinCgroup(folder))


def _place_v2(
    placement: Placement,
    limits: list[Limit],
    rules: tuple[DeviceRule, ...],
    path: str,
    id: str,
    hierarchy: Hierarchy,
    alone: bool,
) -> None:
    """`alone`: there is no other tree, so that every controller is handed down (as runc), to be used by an update."""
    absolute, parts = _name(path, id)
    # Files of the core, such as cgroup.max.depth, belong to no controller.
    needed = {limit.controller for limit in limits} - {"cgroup"}
    start = hierarchy.mount if absolute else _nearest(hierarchy, needed)
    if start is None or not os.access(start, os.W_OK):
        if limits:
            raise _not_writable(hierarchy.path, limits[0].file)
        placement.notes.append(f"no cgroup: {hierarchy.path} is not delegated to this user")
        return
    available = set(read_file(f"{start}/cgroup.controllers").split())
    wanted = available if alone else (needed | set(_ALWAYS_ENABLED)) & available

    def hand_down(folder: str, exists: bool) -> list[Step]:
        missing = wanted
        if exists:
            missing = wanted - set(read_file(f"{folder}/cgroup.subtree_control").split())
            if missing and not may_enable(folder):
                _require_handed_down(folder, [limit for limit in limits if limit.controller in missing])
                return []
        return [_hand_down(folder, missing, needed)] if missing else []

    placement.before += hand_down(start, True)
    folder = _make(placement, start, parts, hand_down)
    _fill_v2(placement, limits, rules, folder, start)


def _place_scope(
    placement: Placement, limits: list[Limit], rules: tuple[DeviceRule, ...], scope: Scope, id: str, tree: Hierarchy
) -> None:
    """In a scope of systemd, below which the engine's own cgroup is, as systemd asks (CGROUP_DELEGATION.md)."""
    from labkit.cgroups.systemd import BUSCTL
    from labkit.plan.scope import EndPlaceholder, StartScope

    path = tree.mount + scope.folder()
    if os.path.isdir(path):
        raise LabkitError(f"the scope {scope.unit} exists", f"choose another name, or: systemctl stop {scope.unit}")
    needed = {limit.controller for limit in limits} - {"cgroup"}
    wanted = (needed | set(_DELEGATED)) & set(tree.controllers)
    placement.before.append(StartScope(BUSCTL, f"labkit container {id}", path, scope.slice, scope.unit))
    placement.parents.append(path)
    if wanted:
        placement.before.append(_hand_down(path, wanted, needed))
    folder = f"{path}/{id}"
    placement.before.append(MakeCgroup(folder))
    placement.folders.append(folder)
    _fill_v2(placement, limits, rules, folder, os.path.dirname(path))
    placement.after.append(EndPlaceholder(path))


def _fill_v2(placement: Placement, limits: list[Limit], rules: tuple[DeviceRule, ...], folder: str, start: str) -> None:
    """Write the limits of the cgroup `folder`, whose files are like those of `start`, and begin the process in it."""
    swap_uncounted = os.path.exists(f"{start}/memory.max") and not os.path.exists(f"{start}/memory.swap.max")
    for limit in limits:
        if limit.file == "memory.swap.max" and swap_uncounted:
            placement.notes.append("swap is not counted: the kernel runs without swap accounting")
            continue
        placement.before.append(_write(folder, limit))
    if rules and _may_attach():
        # Imported here: version 1 has files for it.
        from labkit.cgroups.devices import program

        placement.before.append(AttachDeviceProgram(folder, program(rules)))
    elif rules:
        placement.notes.append("device rules are left to the user namespace, in which no device node can be made")
    placement.before.append(CloneIntoCgroup(folder))


def _write(folder: str, limit: Limit, like: str = "") -> Step:
    """The step for one limit; `like` is a cgroup that has the same files, where there is one."""
    other = limit.otherwise
    if like and not os.path.exists(f"{like}/{limit.file}"):
        if other is None or not os.path.exists(f"{like}/{other.file}"):
            raise LabkitError(
                f"{limit.file} cannot be set: the controller {limit.controller!r} here has no such file",
                f"it is left out of this kernel; see: ls {like}",
            )
        limit, other = other, None
    if other is None:
        return WriteCgroup(f"{folder}/{limit.file}", limit.value, limit.why)
    return WriteEitherCgroup(f"{folder}/{limit.file}", f"{folder}/{other.file}", other.value, limit.value, limit.why)


def _require_handed_down(folder: str, limits: list[Limit]) -> None:
    for limit in limits:
        raise LabkitError(
            f"{limit.file} cannot be set: {folder} has processes and may not hand down the controller"
            f" {limit.controller!r}",
            "choose a cgroupsPath below a cgroup without processes",
        )


def _may_attach() -> bool:
    """Whether this process may load a device program: root, and not only in a user namespace of its own."""
    return os.geteuid() == 0 and read_file("/proc/self/uid_map").split() == ["0", "0", "4294967295"]


def _hand_down(folder: str, controllers: set[str], needed: set[str]) -> Step:
    value = " ".join(f"+{controller}" for controller in sorted(controllers))
    return HandDown(f"{folder}/cgroup.subtree_control", tuple(sorted(needed)), value)


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

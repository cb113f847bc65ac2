"""The plan of one container: what the parent does before and after the clone, and what the child then does."""

from __future__ import annotations

import marshal

from labkit.errors import LabkitError
from labkit.linux.namespaces import NAMESPACES

# Each registers its steps, so that all can be decoded; those that few containers have are by need.
from labkit.plan import cgroup, devices, execute, home, labels, mounts, parent, process  # noqa: F401
from labkit.plan.step import Step, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labkit.plan.hook import Program


# Without them there is no container; and without LeaveNamespace the next one would be in the wrong place.
_ESSENTIAL = (
    "AwaitParent",
    "AwaitStart",
    "BindRoot",
    "ChangeRoot",
    "CloneInUserNamespace",
    "CloseSources",
    "Execute",
    "IdmapSource",
    "JoinMountNamespace",
    "JoinNamespace",
    "LeaveNamespace",
    "MakeStateFolder",
    "OpenMountNamespace",
    "OpenNetworkNamespace",
    "OpenFifo",
    "OverlayRoot",
    "RecordProcess",
    "Release",
    "TakeLease",
    "UseRoot",
)


class Plan:
    """Three ordered lists of steps around one clone3(2) with the namespaces `clone`.

    `before` and `after` are the parent's, before and after the clone; `child` is the new process's. `notes` say what
    the host could not give. `hooks` are the programs by moment (see spec.hooks), `about` what they are told. `left`
    says that the container outlives its maker, `kept` that what it has stays when it has ended. Undoing walks `after`
    and `before` backwards.
    """

    __slots__ = ("about", "after", "before", "child", "clone", "hooks", "id", "kept", "left", "notes")

    def __init__(
        self,
        id: str,
        clone: tuple[str, ...],
        before: tuple[Step, ...],
        after: tuple[Step, ...],
        child: tuple[Step, ...],
        notes: tuple[str, ...] = (),
        hooks: dict[str, tuple[Program, ...]] | None = None,
        about: tuple[str, str, str, dict[str, str]] = ("", "", "", {}),
        left: bool = False,
        kept: bool = False,
    ) -> None:
        self.id = id
        self.clone = clone
        self.before = before
        self.after = after
        self.child = child
        self.notes = notes
        self.hooks = hooks or {}
        self.about = about
        self.left = left
        self.kept = kept

    def clone_flags(self) -> int:
        """The CLONE_NEW* flags of the one clone."""
        flags = 0
        for name in self.clone:
            flags |= NAMESPACES[name][0]
        return flags

    def encode(self) -> bytes:
        """The plan in marshal format, for the process that acts on it."""
        lists = [tuple(step.encode() for step in steps) for steps in (self.before, self.after, self.child)]
        return marshal.dumps((self.id, self.clone, *lists, self.notes, self.hooks, self.about, self.left, self.kept))

    @classmethod
    def decode(cls, data: bytes) -> Plan:
        """The plan that `encode` made the bytes of."""
        id, clone, *lists, notes, hooks, about, left, kept = marshal.loads(data)
        before, after, child = (tuple(decode(values) for values in steps) for steps in lists)
        return cls(id, clone, before, after, child, notes, hooks, about, left, kept)

    def step_names(self) -> list[str]:
        """The distinct names of the steps, in order."""
        return list(dict.fromkeys(type(s).__name__ for s in (*self.before, *self.after, *self.child)))

    def without(self, names: Iterable[str]) -> Plan:
        """The plan with every step of these names left out, to see or to price what a mechanism does."""
        left_out = set(names)
        known = self.step_names()
        for name in left_out:
            if name not in known:
                raise LabkitError(f"no step {name!r} in this plan", f"its steps are: {', '.join(known)}")
            if name in _ESSENTIAL:
                raise LabkitError(f"step {name!r} cannot be left out", "without it there is no container")
        before, after, child = (
            tuple(step for step in steps if type(step).__name__ not in left_out)
            for steps in (self.before, self.after, self.child)
        )
        return Plan(self.id, self.clone, before, after, child, self.notes, self.hooks, self.about, self.left, self.kept)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """The steps in order, each as (who, name, what, system call, why); who is `parent` or `child`."""
        clone = "clone the container's process"
        if self.clone:
            clone += f" into new namespaces: {', '.join(self.clone)}"
        rows = [("parent", type(s).__name__, s.describe(), s.call, s.why) for s in self.before]
        rows.append(("parent", "Clone", clone, "clone3", "one call gives the process all its new views at once"))
        rows += [("parent", type(s).__name__, s.describe(), s.call, s.why) for s in self.after]
        return rows + [("child", type(s).__name__, s.describe(), s.call, s.why) for s in self.child]

    def __repr__(self) -> str:
        return f"<Plan of {self.id}: {len(self.rows())} steps>"

    def _repr_html_(self) -> str:
        """The steps as a table, which a notebook shows in place of the repr."""
        from labkit.plan.display import plan_table

        return plan_table(self)

    def explain(self) -> str:
        """The steps as numbered lines: who, what, which system call, why."""
        lines = []
        before = ("", "")
        for number, (who, name, what, call, why) in enumerate(self.rows(), 1):
            lines.append(f"{number:3}  {who:<6}  {name}: {what}")
            if (name, why) != before:
                lines.append(f"{'':13}{call}  # {why}")
            before = (name, why)
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)

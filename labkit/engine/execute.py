"""One more process in a running container: the plan by which it enters what the first one is in."""

from __future__ import annotations

import os

from labkit.cgroups.folders import controllers, is_v2
from labkit.engine import filter
from labkit.errors import LabkitError
from labkit.linux import lsm
from labkit.linux.namespaces import NAMESPACES
from labkit.plan import facts, labels, process, scheduling
from labkit.plan.become import become
from labkit.plan.enter import EnterContainer, OpenContainer, OpenContainerRoot
from labkit.plan.join import CloneInUserNamespace, JoinNamespace, LeaveNamespace, OpenPidNamespace
from labkit.plan.manner import Manner
from labkit.plan.namespaces import BecomeRoot
from labkit.plan.parent import CloneIntoCgroup
from labkit.plan.plan import Plan
from labkit.plan.step import Step
from labkit.spec.lists import parse_list
from labkit.spec.model import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from labkit.engine.state import State


def prepare(found: State, spec: Spec, manner: Manner, below: Sequence[str] = (), ignore_paused: bool = False) -> Plan:
    """The plan for `spec.process` in the container `found`, whose configuration otherwise is `spec`.

    `below` are paths of cgroups under the container's own, of all its trees or, as `cpu,cpuacct:PATH`, of some.
    Raises LabkitError when the container does not run.
    """
    status = found.status()
    if status in ("stopped", "creating"):
        raise LabkitError(f"cannot exec in a {status} container", "labkit-oci state shows its status")
    if status == "paused" and not ignore_paused:
        raise LabkitError("cannot exec in a paused container (use --ignore-paused to override)", "or resume it first")
    host = facts.gather(())
    if labels.labelled(spec):
        host.security_modules = lsm.active()
    folder = f"/proc/{found.pid}/ns"
    kinds = _others(folder, status)
    notes: list[str] = []
    before, child = _cgroups(found, below)
    before.insert(0, OpenContainer(found.pid, found.values["start"]))
    after: list[Step] = []
    affinity = spec.process.exec_affinity
    if affinity and affinity.initial:
        child.insert(0, scheduling.SetAffinity(parse_list(affinity.initial), "before it enters the container"))
    child[:0] = [process.CloseInherited(manner.preserve), process.NewSession()]
    if spec.process.oom_score_adj is not None:
        child.append(process.SetOomScore(spec.process.oom_score_adj))
    entered = tuple(kind for kind in kinds if kind != "pid")
    if "user" in kinds and host.euid != 0:
        before.append(CloneInUserNamespace(f"{folder}/user"))
        entered = tuple(kind for kind in entered if kind != "user")
        if "pid" in kinds:
            before.append(OpenPidNamespace(f"{folder}/pid"))
    elif "pid" in kinds:
        before.append(JoinNamespace("pid", f"{folder}/pid"))
        after.append(LeaveNamespace("pid"))
    child += labels.label_steps(spec, host)
    # Where the container's mount namespace is not its own, its root is one of chroot(2) alone.
    changed = "mount" not in spec.linux.new_kinds()
    if changed:
        child.append(OpenContainerRoot(found.pid))
    # Nobody inside can trace it (CVE-2016-9962).
    child += [process.NotDumpable(), EnterContainer(entered)]
    if "user" in spec.linux.kinds():
        child.append(BecomeRoot())
    if changed:
        from labkit.plan.roots import ChangeRoot

        child.append(ChangeRoot())
    if affinity and affinity.final:
        child.append(scheduling.SetAffinity(parse_list(affinity.final), "inside the container's cgroups"))
    if spec.process.terminal:
        from labkit.plan.terminal import terminal

        # The first one's stays /dev/console.
        child.append(terminal(spec, manner, console=False))
    if manner.keyring:
        child.append(process.NewKeyring(f"_ses.{found.id}"))
    compiled = ("configured", filter.kept_program(spec.linux.seccomp)) if spec.linux.seccomp else None
    child += become(spec, host, compiled, notes, manner)
    about = (spec.oci_version, found.id, found.values["bundle"], spec.annotations)
    return Plan(found.id, (), tuple(before), tuple(after), tuple(child), tuple(notes), {}, about, manner.left)


def _others(folder: str, status: str) -> tuple[str, ...]:
    """The kinds of namespace in which the container's first process is not this one's."""
    try:
        return tuple(
            kind for kind, (_, name) in NAMESPACES.items() if not _same(f"/proc/self/ns/{name}", f"{folder}/{name}")
        )
    except PermissionError as error:
        # Until its execve it is not dumpable, and open to CAP_SYS_PTRACE alone (ptrace(2)).
        advice = "start it first, or run as root" if status == "created" else "it is another user's"
        raise LabkitError(f"an ordinary user cannot exec in this {status} container", advice) from error


def _same(one: str, other: str) -> bool:
    try:
        first, second = os.stat(one), os.stat(other)
    except FileNotFoundError:
        return True  # A kind that this kernel does not have.
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _cgroups(found: State, below: Sequence[str]) -> tuple[list[Step], list[Step]]:
    """The steps by which the new process comes into the container's cgroups: before the clone, and its own."""
    before: list[Step] = []
    child: list[Step] = []
    paths = _paths(found.cgroups, below)
    for top in found.cgroups:
        folder = "/".join([top, *paths[top]])
        if not os.path.isdir(folder):
            text = f"error adding pid to its cgroups: adding pid 0 to {folder}/cgroup.procs: no such file or directory"
            raise LabkitError(text, "the container has ended, or never had this cgroup")
        if is_v2(folder):
            before.append(CloneIntoCgroup(folder))
        else:
            child.append(process.JoinCgroup(folder))
    return before, child


def _paths(folders: Sequence[str], below: Sequence[str]) -> dict[str, list[str]]:
    """By the container's cgroup, the components of the path below it."""
    paths: dict[str, list[str]] = {folder: [] for folder in folders}
    for text in below:
        names, path = text.split(":", 1) if ":" in text else ("", text)
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise LabkitError(f"bad cgroup path: {path} is not a sub cgroup path", "leave out the ..")
        for name in names.split(","):
            found = [folder for folder in folders if not name or name in controllers(folder)]
            if name and not found:
                raise LabkitError(f"unknown controller {name} in the cgroup {text!r}", "see: cat /proc/self/cgroup")
            paths |= dict.fromkeys(found, parts)
    return paths

"""From a checked configuration to the whole plan of a container on this host."""

from __future__ import annotations

import os

from labkit.cgroups import detect, place
from labkit.engine import filter, state
from labkit.engine.hint import hint
from labkit.errors import LabkitError, SpecError
from labkit.linux.namespaces import NAMESPACES, open_namespace
from labkit.plan import build, facts
from labkit.plan.join import JoinNamespace, LeaveNamespace
from labkit.plan.parent import MakeStateFolder, Release, WriteIdMaps
from labkit.plan.plan import Plan
from labkit.plan.step import Step
from labkit.spec.model import CapabilitySets, IdMapping, Namespace, Spec
from labkit.spec.section import escape
from labkit.spec.sysctl import namespace_of, sysctl_path


def prepare(spec: Spec, id: str) -> Plan:
    """The plan for `spec` under the container id `id`.

    Everything that can be checked is checked here, before anything is made: raises LabkitError, or SpecError with a
    JSON pointer, with nothing to undo.
    """
    state.check_id(id)
    _check_root(spec.root.path)
    layout = detect.detect()
    host = facts.gather(layout.mounts())
    rootless = "user" in build.kinds(spec)
    if host.euid != 0 and not rootless:
        raise LabkitError(
            "namespaces need root, and this configuration has no user namespace",
            "run as root, or give /linux/namespaces a user namespace with id maps",
        )
    notes: list[str] = []
    if layout.of("devices") is None and spec.linux.resources.devices and not rootless:
        _forbid_making_devices(spec, notes)
    placement = place.place(spec.linux.resources, spec.linux.cgroups_path, id, layout)
    folder = f"{state.root()}/{id}"
    joined = _joined(spec)
    after: list[Step] = [LeaveNamespace(step.kind) for step in reversed(joined)]
    if rootless:
        after += [_id_maps(spec, host), Release(build.IDS_MAPPED)]
    if not placement.folders and "pid" not in build.new_kinds(spec):
        notes.append(
            "neither a new pid namespace nor a cgroup: processes that outlive the first one are not ended with it"
        )
    compiled = (
        (spec.annotations.get("dev.labkit.seccomp", "configured"), filter.program(spec.linux.seccomp))
        if spec.linux.seccomp
        else None
    )
    child = build.child_steps(spec, host, folder, compiled, notes, tuple(placement.child))
    return Plan(
        id,
        build.clone_kinds(spec),
        (MakeStateFolder(state.content(placement.folders, placement.parents), folder), *placement.before, *joined),
        tuple(after),
        child,
        (*notes, *placement.notes),
    )


def _joined(spec: Spec) -> list[JoinNamespace]:
    """The steps that join namespaces by path, each checked to be what it is said to be."""
    steps = []
    for index, namespace in enumerate(spec.linux.namespaces):
        if not namespace.path:
            continue
        try:
            os.close(open_namespace(namespace.path, namespace.kind))
        except OSError as error:
            advice = f"give such as /proc/PID/ns/{NAMESPACES[namespace.kind][1]}, or a bind mount of it"
            raise SpecError(f"/linux/namespaces/{index}/path", f"{namespace.path}: {error.strerror}", advice) from error
        steps.append(JoinNamespace(namespace.kind, namespace.path))
        _spare_own(spec, namespace)
    return steps


def _spare_own(spec: Spec, namespace: Namespace) -> None:
    """Refuse kernel parameters of a namespace that is joined and is this process's own: most likely the host's."""
    found = os.stat(namespace.path)
    own = os.stat(f"/proc/self/ns/{NAMESPACES[namespace.kind][1]}")
    for name in spec.linux.sysctl if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino) else ():
        if namespace_of(sysctl_path(name)) == namespace.kind:
            raise SpecError(f"/linux/sysctl/{escape(name)}", f"would change the host, whose {namespace.kind} is joined")


def _check_root(path: str) -> None:
    try:
        # Readable is more than the kernel asks, but nothing could be found in it otherwise.
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        advice = hint("UseRoot", error.errno) or "check the path"
        raise LabkitError(f"root filesystem {path}: {error.strerror}", advice) from error


def _forbid_making_devices(spec: Spec, notes: list[str]) -> None:
    """Without v1's devices controller device rules are an eBPF program, which this version does not attach.

    So no node may be made at all.
    """
    wanted = spec.process.capabilities
    if wanted is None or "CAP_MKNOD" not in wanted.bounding:
        return
    kept = {name: tuple(c for c in getattr(wanted, name) if c != "CAP_MKNOD") for name in CapabilitySets.PROPERTIES}
    spec.process.capabilities = CapabilitySets(**kept)
    notes.append("CAP_MKNOD is left out: on cgroup v2 this version keeps device rules by allowing no new nodes")


def _id_maps(spec: Spec, host: facts.Facts) -> WriteIdMaps:
    linux = spec.linux
    if host.euid != 0:
        for name, maps, own in (("uid", linux.uid_mappings, host.euid), ("gid", linux.gid_mappings, host.egid)):
            if len(maps) != 1 or maps[0].size != 1 or maps[0].host_id != own:
                raise LabkitError(
                    f"an ordinary user may map only its own {name} {own}, once",
                    f"use one mapping with hostID {own} and size 1, or run as root",
                )
    return WriteIdMaps(build.setgroups_denied(host), _map(linux.gid_mappings), _map(linux.uid_mappings))


def _map(lines: tuple[IdMapping, ...]) -> str:
    return "\n".join(f"{line.container_id} {line.host_id} {line.size}" for line in lines)

"""Namespaces that are joined by path: each checked to be what it is said to be, and the steps that join it."""

from __future__ import annotations

import os

from labkit.errors import SpecError
from labkit.linux.namespaces import NAMESPACES, open_namespace
from labkit.plan.join import (
    CloneInUserNamespace,
    JoinNamespace,
    LeaveNamespace,
    OpenMountNamespace,
    OpenNetworkNamespace,
)
from labkit.plan.step import Step
from labkit.spec.model import IdMapping, Namespace, Spec
from labkit.spec.section import escape
from labkit.spec.sysctl import namespace_of, sysctl_path


def steps(spec: Spec) -> list[Step]:
    """The parent's steps before the clone; `spec` gets the id maps of a user namespace that is joined.

    Raises SpecError for a path that is no such namespace.
    """
    made: list[Step] = []
    for index, namespace in enumerate(spec.linux.namespaces):
        if not namespace.path:
            continue
        pointer = f"/linux/namespaces/{index}/path"
        try:
            os.close(open_namespace(namespace.path, namespace.kind))
        except OSError as error:
            advice = f"give such as /proc/PID/ns/{NAMESPACES[namespace.kind][1]}, or a bind mount of it"
            raise SpecError(pointer, f"{namespace.path}: {error.strerror}", advice) from error
        if _own(namespace):
            _spare_own(spec, namespace, pointer)
        if namespace.kind == "user":
            _take_maps(spec, namespace.path, pointer)
        made.append(_joining(namespace, spec))
    return made


def leaving(joined: list[Step]) -> list[Step]:
    """The steps that take the parent back, the last one joined first."""
    return [LeaveNamespace(step.kind) for step in reversed(joined) if isinstance(step, JoinNamespace)]


def _joining(namespace: Namespace, spec: Spec) -> Step:
    if namespace.kind == "user":
        return CloneInUserNamespace(namespace.path)
    others = [one.kind for one in spec.linux.namespaces if one.path]
    if namespace.kind == "network" and os.geteuid() != 0 and "user" in others:
        return OpenNetworkNamespace(namespace.path)
    if namespace.kind == "mount":
        return OpenMountNamespace(namespace.path)
    return JoinNamespace(namespace.kind, namespace.path)


def _own(namespace: Namespace) -> bool:
    """Whether it is the one that this process is in: most likely the host's."""
    found = os.stat(namespace.path)
    own = os.stat(f"/proc/self/ns/{NAMESPACES[namespace.kind][1]}")
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def _spare_own(spec: Spec, namespace: Namespace, pointer: str) -> None:
    """Refuse what would change the host, and what is there without being joined."""
    for name in spec.linux.sysctl:
        if namespace_of(sysctl_path(name)) == namespace.kind:
            raise SpecError(f"/linux/sysctl/{escape(name)}", f"would change the host, whose {namespace.kind} is joined")
    if namespace.kind in ("mount", "user"):
        raise SpecError(pointer, f"is the {namespace.kind} namespace of labkit itself", "leave the entry out")
    if namespace.kind == "network" and spec.linux.net_devices:
        raise SpecError("/linux/netDevices", "would not move: the network namespace joined is the host's own")


def _take_maps(spec: Spec, path: str, pointer: str) -> None:
    # Imported here: few containers join one.
    from labkit.linux.idmaps import read_maps

    try:
        maps = read_maps(path)
    except OSError as error:
        raise SpecError(pointer, f"{path}: its id maps cannot be read: {error.strerror}") from error
    uids, gids = (tuple(IdMapping(container_id=a, host_id=b, size=c) for a, b, c in lines) for lines in maps)
    for name, given, found in (("uid", spec.linux.uid_mappings, uids), ("gid", spec.linux.gid_mappings, gids)):
        if not found:
            raise SpecError(pointer, f"{path}: has no {name} map yet, so that nobody could be anybody in it")
        if given and given != found:
            raise SpecError(f"/linux/{name}Mappings", f"are not those of the user namespace joined, {path}")
    spec.linux.uid_mappings, spec.linux.gid_mappings = uids, gids

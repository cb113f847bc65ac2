"""The sections of config.json for Linux (OCI runtime-spec: config.md, config-linux.md).

A class a section, an attribute a property. What this version does not honour is refused by name.
"""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.linux.libseccomp import ACTIONS, OPERATORS
from labkit.linux.namespaces import NAMESPACES
from labkit.linux.process import RLIMITS
from labkit.spec.section import (
    Section,
    absolute,
    array,
    boolean,
    integer,
    one_of,
    string_map,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labkit.linux.libseccomp import Rule

_UINT32 = integer(0, 2**32 - 1)
_INT64 = integer(-(2**63), 2**63 - 1)
_UINT64 = integer(0, 2**64 - 1)
_LATER = "is not supported by this version of labkit"


class User(Section):
    """process.user: numeric ids inside the container."""

    __slots__ = ("additional_gids", "gid", "uid", "umask")
    uid: int
    gid: int
    umask: int | None
    additional_gids: tuple[int, ...]
    PROPERTIES = {
        "uid": ("uid", _UINT32, 0),
        "gid": ("gid", _UINT32, 0),
        "umask": ("umask", integer(0, 0o777), None),
        "additional_gids": ("additionalGids", array(_UINT32), ()),
    }


class CapabilitySets(Section):
    """process.capabilities: five lists of names."""

    __slots__ = ("ambient", "bounding", "effective", "inheritable", "permitted")
    bounding: tuple[str, ...]
    effective: tuple[str, ...]
    inheritable: tuple[str, ...]
    permitted: tuple[str, ...]
    ambient: tuple[str, ...]
    PROPERTIES = {
        "bounding": ("bounding", array(text), ()),
        "effective": ("effective", array(text), ()),
        "inheritable": ("inheritable", array(text), ()),
        "permitted": ("permitted", array(text), ()),
        "ambient": ("ambient", array(text), ()),
    }


class Rlimit(Section):
    """One of process.rlimits."""

    __slots__ = ("hard", "kind", "soft")
    kind: str
    soft: int
    hard: int
    REQUIRED = ("type", "soft", "hard")
    PROPERTIES = {
        "kind": ("type", one_of(tuple(RLIMITS)), ""),
        "soft": ("soft", _UINT64, 0),
        "hard": ("hard", _UINT64, 0),
    }


class Process(Section):
    """process: what runs, and as whom."""

    __slots__ = (
        "args",
        "capabilities",
        "cwd",
        "env",
        "no_new_privileges",
        "oom_score_adj",
        "rlimits",
        "terminal",
        "user",
    )
    terminal: bool
    user: User
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    capabilities: CapabilitySets | None
    rlimits: tuple[Rlimit, ...]
    no_new_privileges: bool
    oom_score_adj: int | None
    REQUIRED = ("args", "cwd")
    REFUSED = {
        "terminal": _LATER,
        "apparmorProfile": _LATER,
        "selinuxLabel": _LATER,
        "scheduler": _LATER,
        "ioPriority": _LATER,
        "execCPUAffinity": _LATER,
    }
    PROPERTIES = {
        "terminal": ("terminal", boolean, False),
        "user": ("user", User.load, User()),
        "args": ("args", array(text), ()),
        "env": ("env", array(text), ()),
        "cwd": ("cwd", absolute, "/"),
        "capabilities": ("capabilities", CapabilitySets.load, None),
        "rlimits": ("rlimits", array(Rlimit.load), ()),
        "no_new_privileges": ("noNewPrivileges", boolean, False),
        "oom_score_adj": ("oomScoreAdj", integer(-1000, 1000), None),
    }


class Root(Section):
    """root: the container's root filesystem; `path` absolute, or relative to the bundle."""

    __slots__ = ("path", "readonly")
    path: str
    readonly: bool
    REQUIRED = ("path",)
    PROPERTIES = {"path": ("path", text, "rootfs"), "readonly": ("readonly", boolean, False)}


class Mount(Section):
    """One of mounts, in the order in which they are made."""

    __slots__ = ("destination", "kind", "options", "source")
    destination: str
    kind: str
    source: str
    options: tuple[str, ...]
    REQUIRED = ("destination",)
    REFUSED = {"uidMappings": _LATER, "gidMappings": _LATER}
    PROPERTIES = {
        "destination": ("destination", text, ""),
        "kind": ("type", text, ""),
        "source": ("source", text, ""),
        "options": ("options", array(text), ()),
    }


class Namespace(Section):
    """One of linux.namespaces: a new one of this type."""

    __slots__ = ("kind",)
    kind: str
    REQUIRED = ("type",)
    REFUSED = {"path": _LATER}
    PROPERTIES = {"kind": ("type", one_of(tuple(NAMESPACES)), "")}


class IdMapping(Section):
    """One line of a user namespace's uid or gid map (user_namespaces(7))."""

    __slots__ = ("container_id", "host_id", "size")
    container_id: int
    host_id: int
    size: int
    REQUIRED = ("containerID", "hostID", "size")
    PROPERTIES = {
        "container_id": ("containerID", _UINT32, 0),
        "host_id": ("hostID", _UINT32, 0),
        "size": ("size", _UINT32, 0),
    }


class TimeOffset(Section):
    """One of linux.timeOffsets."""

    __slots__ = ("nanosecs", "secs")
    secs: int
    nanosecs: int
    PROPERTIES = {"secs": ("secs", _INT64, 0), "nanosecs": ("nanosecs", integer(0, 999_999_999), 0)}


def _time_offsets(value: Any, pointer: str) -> dict[str, TimeOffset]:
    if not isinstance(value, dict) or not set(value) <= {"monotonic", "boottime"}:
        raise SpecError(pointer, "must be an object with monotonic and boottime only")
    return {clock: TimeOffset.load(offset, f"{pointer}/{clock}") for clock, offset in value.items()}


class Memory(Section):
    """linux.resources.memory, in bytes; -1 is no limit."""

    __slots__ = ("limit", "reservation", "swap")
    limit: int | None
    reservation: int | None
    swap: int | None
    REFUSED = {"kernel": _LATER, "kernelTCP": _LATER, "swappiness": _LATER, "disableOOMKiller": _LATER}
    PROPERTIES = {
        "limit": ("limit", _INT64, None),
        "reservation": ("reservation", _INT64, None),
        "swap": ("swap", _INT64, None),
    }


class Cpu(Section):
    """linux.resources.cpu; quota and period in microseconds."""

    __slots__ = ("cpus", "mems", "period", "quota", "shares")
    shares: int | None
    quota: int | None
    period: int | None
    cpus: str
    mems: str
    REFUSED = {"realtimeRuntime": _LATER, "realtimePeriod": _LATER, "burst": _LATER, "idle": _LATER}
    PROPERTIES = {
        "shares": ("shares", _UINT64, None),
        "quota": ("quota", _INT64, None),
        "period": ("period", _UINT64, None),
        "cpus": ("cpus", text, ""),
        "mems": ("mems", text, ""),
    }


class Pids(Section):
    """linux.resources.pids; 0 or less is no limit."""

    __slots__ = ("limit",)
    limit: int
    REQUIRED = ("limit",)
    PROPERTIES = {"limit": ("limit", _INT64, 0)}


class DeviceRule(Section):
    """One of linux.resources.devices; without a number it stands for all."""

    __slots__ = ("access", "allow", "kind", "major", "minor")
    allow: bool
    kind: str
    major: int | None
    minor: int | None
    access: str
    REQUIRED = ("allow",)
    PROPERTIES = {
        "allow": ("allow", boolean, False),
        "kind": ("type", one_of(("a", "b", "c")), "a"),
        "major": ("major", _INT64, None),
        "minor": ("minor", _INT64, None),
        "access": ("access", text, ""),
    }


class Resources(Section):
    """linux.resources: the limits that cgroups keep."""

    __slots__ = ("cpu", "devices", "memory", "pids")
    devices: tuple[DeviceRule, ...]
    memory: Memory
    cpu: Cpu
    pids: Pids | None
    REFUSED = {"blockIO": _LATER, "hugepageLimits": _LATER, "network": _LATER, "rdma": _LATER, "unified": _LATER}
    PROPERTIES = {
        "devices": ("devices", array(DeviceRule.load), ()),
        "memory": ("memory", Memory.load, Memory()),
        "cpu": ("cpu", Cpu.load, Cpu()),
        "pids": ("pids", Pids.load, None),
    }


class SeccompArgument(Section):
    """One comparison of a system call's argument."""

    __slots__ = ("index", "operator", "value", "value_two")
    index: int
    operator: str
    value: int
    value_two: int
    REQUIRED = ("index", "value", "op")
    PROPERTIES = {
        "index": ("index", integer(0, 5), 0),
        "operator": ("op", one_of(tuple(OPERATORS)), ""),
        "value": ("value", _UINT64, 0),
        "value_two": ("valueTwo", _UINT64, 0),
    }


class SeccompRule(Section):
    """One of linux.seccomp.syscalls."""

    __slots__ = ("action", "arguments", "errno", "names")
    names: tuple[str, ...]
    action: str
    errno: int | None
    arguments: tuple[SeccompArgument, ...]
    REQUIRED = ("names", "action")
    PROPERTIES = {
        "names": ("names", array(text), ()),
        "action": ("action", one_of(tuple(ACTIONS)), ""),
        "errno": ("errnoRet", _UINT32, None),
        "arguments": ("args", array(SeccompArgument.load), ()),
    }


class Seccomp(Section):
    """linux.seccomp: the system-call filter."""

    __slots__ = ("architectures", "default_action", "default_errno", "rules")
    default_action: str
    default_errno: int | None
    architectures: tuple[str, ...]
    rules: tuple[SeccompRule, ...]
    REQUIRED = ("defaultAction",)
    REFUSED = {"listenerPath": _LATER, "flags": _LATER}
    PROPERTIES = {
        "default_action": ("defaultAction", one_of(tuple(ACTIONS)), ""),
        "default_errno": ("defaultErrnoRet", _UINT32, None),
        "architectures": ("architectures", array(text), ()),
        "rules": ("syscalls", array(SeccompRule.load), ()),
    }

    def profile(self) -> tuple[str, int | None, tuple[str, ...], tuple[Rule, ...]]:
        """The arguments of `libseccomp.compile_filter`: plain values, which also tell one profile from another."""
        rules = tuple(
            (
                rule.names,
                rule.action,
                rule.errno,
                tuple((a.index, a.operator, a.value, a.value_two) for a in rule.arguments),
            )
            for rule in self.rules
        )
        return self.default_action, self.default_errno, self.architectures, rules


class Linux(Section):
    """linux: what only this platform has."""

    __slots__ = (
        "cgroups_path",
        "gid_mappings",
        "masked_paths",
        "namespaces",
        "readonly_paths",
        "resources",
        "seccomp",
        "time_offsets",
        "uid_mappings",
    )
    namespaces: tuple[Namespace, ...]
    uid_mappings: tuple[IdMapping, ...]
    gid_mappings: tuple[IdMapping, ...]
    time_offsets: dict[str, TimeOffset]
    cgroups_path: str
    resources: Resources
    seccomp: Seccomp | None
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    REFUSED = {
        "devices": _LATER,
        "netDevices": _LATER,
        "sysctl": _LATER,
        "rootfsPropagation": _LATER,
        "mountLabel": _LATER,
        "intelRdt": _LATER,
        "personality": _LATER,
        "memoryPolicy": _LATER,
    }

    PROPERTIES = {
        "namespaces": ("namespaces", array(Namespace.load), ()),
        "uid_mappings": ("uidMappings", array(IdMapping.load), ()),
        "gid_mappings": ("gidMappings", array(IdMapping.load), ()),
        "time_offsets": ("timeOffsets", _time_offsets, {}),
        "cgroups_path": ("cgroupsPath", text, ""),
        "resources": ("resources", Resources.load, Resources()),
        "seccomp": ("seccomp", Seccomp.load, None),
        "masked_paths": ("maskedPaths", array(absolute), ()),
        "readonly_paths": ("readonlyPaths", array(absolute), ()),
    }


class Spec(Section):
    """The whole of config.json."""

    __slots__ = ("annotations", "domainname", "hostname", "linux", "mounts", "oci_version", "process", "root")
    oci_version: str
    root: Root
    process: Process
    hostname: str
    domainname: str
    mounts: tuple[Mount, ...]
    linux: Linux
    annotations: dict[str, str]
    REQUIRED = ("ociVersion", "root", "process")
    REFUSED = {"hooks": _LATER, "vm": _LATER, "windows": _LATER, "solaris": _LATER, "zos": _LATER}
    PROPERTIES = {
        "oci_version": ("ociVersion", text, "1.2.0"),
        "root": ("root", Root.load, Root()),
        "process": ("process", Process.load, Process()),
        "hostname": ("hostname", text, ""),
        "domainname": ("domainname", text, ""),
        "mounts": ("mounts", array(Mount.load), ()),
        "linux": ("linux", Linux.load, Linux()),
        "annotations": ("annotations", string_map, {}),
    }

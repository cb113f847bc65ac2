"""config.json, linux: namespaces, devices and what else only this platform has (OCI runtime-spec: config-linux.md)."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.linux.namespaces import NAMESPACES
from labkit.linux.scheduling import MEMORY_POLICIES, MEMORY_POLICY_FLAGS, PERSONALITIES
from labkit.spec.lists import number_list
from labkit.spec.resources import Resources
from labkit.spec.seccomp import Seccomp
from labkit.spec.section import INT64, UINT32, Section, absolute, array, escape, integer, one_of, string_map, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# The specification names the first four; runc and crun take the recursive ones too.
_PROPAGATION = ("shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable")


def _path_or_nothing(value: Any, pointer: str) -> str:
    # runc and crun read an empty path as none.
    return "" if value == "" else absolute(value, pointer)


class Namespace(Section):
    """One of linux.namespaces: a new one of this type, or that which the file `path` stands for."""

    __slots__ = ("kind", "path")
    kind: str
    path: str
    REQUIRED = ("type",)
    PROPERTIES = {"kind": ("type", one_of(tuple(NAMESPACES)), ""), "path": ("path", _path_or_nothing, "")}


class IdMapping(Section):
    """One line of a user namespace's uid or gid map (user_namespaces(7))."""

    __slots__ = ("container_id", "host_id", "size")
    container_id: int
    host_id: int
    size: int
    REQUIRED = ("containerID", "hostID", "size")
    PROPERTIES = {
        "container_id": ("containerID", UINT32, 0),
        "host_id": ("hostID", UINT32, 0),
        "size": ("size", UINT32, 0),
    }


def host_id(container_id: int, maps: tuple[IdMapping, ...]) -> int | None:
    """The id outside of an id inside, or None where the maps have none."""
    for line in maps:
        if line.container_id <= container_id < line.container_id + line.size:
            return line.host_id + container_id - line.container_id
    return None


class TimeOffset(Section):
    """One of linux.timeOffsets."""

    __slots__ = ("nanosecs", "secs")
    secs: int
    nanosecs: int
    PROPERTIES = {"secs": ("secs", INT64, 0), "nanosecs": ("nanosecs", integer(0, 999_999_999), 0)}


def _time_offsets(value: Any, pointer: str) -> dict[str, TimeOffset]:
    if not isinstance(value, dict) or not set(value) <= {"monotonic", "boottime"}:
        raise SpecError(pointer, "must be an object with monotonic and boottime only")
    return {clock: TimeOffset.load(offset, f"{pointer}/{clock}") for clock, offset in value.items()}


class Device(Section):
    """One of linux.devices: a node to be made; uid and gid are those inside."""

    __slots__ = ("gid", "kind", "major", "minor", "mode", "path", "uid")
    kind: str
    path: str
    major: int | None
    minor: int | None
    mode: int
    uid: int
    gid: int
    REQUIRED = ("type", "path")
    PROPERTIES = {
        "kind": ("type", one_of(("b", "c", "p", "u")), ""),
        "path": ("path", absolute, ""),
        # linux/kdev_t.h: a device number has 12 bits for the driver and 20 for the unit.
        "major": ("major", integer(0, 2**12 - 1), None),
        "minor": ("minor", integer(0, 2**20 - 1), None),
        # Some callers set the bits of the file's type as well; what counts are the lowest twelve.
        "mode": ("fileMode", UINT32, 0o666),
        "uid": ("uid", UINT32, 0),
        "gid": ("gid", UINT32, 0),
    }


class Personality(Section):
    """linux.personality: the system that uname(2) shows."""

    __slots__ = ("domain",)
    domain: str
    REQUIRED = ("domain",)
    REFUSED = {"flags": "has no values that the specification knows"}
    PROPERTIES = {"domain": ("domain", one_of(tuple(PERSONALITIES)), "LINUX")}


def _interface(value: Any, pointer: str) -> str:
    name = text(value, pointer)
    # net/core/dev.c, dev_valid_name(); IFNAMSIZ counts the NUL character.
    if len(name.encode()) > 15 or name in (".", "..") or any(c in "/:" or c.isspace() for c in name):
        raise SpecError(pointer, f"is no name of a network interface: {name!r}", "ip link shows them")
    return name


class NetDevice(Section):
    """One of linux.netDevices: an interface of the host and the name it gets; "" keeps the one it has."""

    __slots__ = ("name",)
    name: str
    PROPERTIES = {"name": ("name", _interface, "")}


def _net_devices(value: Any, pointer: str) -> dict[str, NetDevice]:
    if not isinstance(value, dict):
        raise SpecError(pointer, "must be an object whose keys are names of interfaces")
    for name in value:
        if not _interface(name, f"{pointer}/{escape(name)}"):
            raise SpecError(pointer, "must not have an empty key")
    return {name: NetDevice.load(device, f"{pointer}/{escape(name)}") for name, device in value.items()}


class MemoryPolicy(Section):
    """linux.memoryPolicy: from which memory nodes the program's memory comes (set_mempolicy(2))."""

    __slots__ = ("flags", "mode", "nodes")
    mode: str
    nodes: str
    flags: tuple[str, ...]
    REQUIRED = ("mode",)
    PROPERTIES = {
        "mode": ("mode", one_of(tuple(MEMORY_POLICIES)), ""),
        "nodes": ("nodes", number_list, ""),
        "flags": ("flags", array(one_of(tuple(MEMORY_POLICY_FLAGS))), ()),
    }


class Linux(Section):
    """linux: what only this platform has."""

    __slots__ = (
        "cgroups_path",
        "devices",
        "gid_mappings",
        "masked_paths",
        "memory_policy",
        "mount_label",
        "namespaces",
        "net_devices",
        "personality",
        "readonly_paths",
        "resources",
        "rootfs_propagation",
        "seccomp",
        "sysctl",
        "time_offsets",
        "uid_mappings",
    )
    namespaces: tuple[Namespace, ...]
    uid_mappings: tuple[IdMapping, ...]
    gid_mappings: tuple[IdMapping, ...]
    time_offsets: dict[str, TimeOffset]
    cgroups_path: str
    devices: tuple[Device, ...]
    resources: Resources
    sysctl: dict[str, str]
    personality: Personality | None
    rootfs_propagation: str
    mount_label: str
    memory_policy: MemoryPolicy | None
    seccomp: Seccomp | None
    net_devices: dict[str, NetDevice]
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]
    REFUSED = {
        "intelRdt": "is not supported by labkit, which leaves the processor's caches to the host (resctrl)",
    }

    PROPERTIES = {
        "namespaces": ("namespaces", array(Namespace.load), ()),
        "uid_mappings": ("uidMappings", array(IdMapping.load), ()),
        "gid_mappings": ("gidMappings", array(IdMapping.load), ()),
        "time_offsets": ("timeOffsets", _time_offsets, {}),
        "cgroups_path": ("cgroupsPath", text, ""),
        "devices": ("devices", array(Device.load), ()),
        "resources": ("resources", Resources.load, Resources()),
        "sysctl": ("sysctl", string_map, {}),
        "net_devices": ("netDevices", _net_devices, {}),
        "personality": ("personality", Personality.load, None),
        "rootfs_propagation": ("rootfsPropagation", one_of(_PROPAGATION), ""),
        "mount_label": ("mountLabel", text, ""),
        "memory_policy": ("memoryPolicy", MemoryPolicy.load, None),
        "seccomp": ("seccomp", Seccomp.load, None),
        "masked_paths": ("maskedPaths", array(absolute), ()),
        "readonly_paths": ("readonlyPaths", array(absolute), ()),
    }

    def kinds(self) -> tuple[str, ...]:
        """The kinds of namespace asked for."""
        return tuple(namespace.kind for namespace in self.namespaces)

    def new_kinds(self) -> tuple[str, ...]:
        """Those of them that are made anew and not joined by path."""
        return tuple(namespace.kind for namespace in self.namespaces if not namespace.path)

"""The sections of config.json for Linux (OCI runtime-spec: config.md, config-linux.md).

A class a section, an attribute a property. What this version does not honour is refused by name. The larger sections
have files of their own, and all their names are here.
"""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.hooks import Hook, Hooks
from labkit.spec.linux import Device, IdMapping, Linux, MemoryPolicy, Namespace, NetDevice, Personality, TimeOffset
from labkit.spec.process import CapabilitySets, ConsoleSize, ExecAffinity, IoPriority, Process, Rlimit, Scheduler, User
from labkit.spec.resources import (
    BlockIo,
    Cpu,
    DeviceRule,
    HugepageLimit,
    InterfacePriority,
    Memory,
    NetworkLimits,
    Pids,
    Rdma,
    Resources,
    Throttle,
    WeightDevice,
)
from labkit.spec.seccomp import Seccomp, SeccompArgument, SeccompRule
from labkit.spec.section import Section, array, boolean, string_map, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BlockIo",
    "CapabilitySets",
    "ConsoleSize",
    "Cpu",
    "Device",
    "DeviceRule",
    "ExecAffinity",
    "Hook",
    "Hooks",
    "HugepageLimit",
    "IdMapping",
    "InterfacePriority",
    "IoPriority",
    "Linux",
    "Memory",
    "MemoryPolicy",
    "Mount",
    "Namespace",
    "NetDevice",
    "NetworkLimits",
    "Personality",
    "Pids",
    "Process",
    "Rdma",
    "Resources",
    "Rlimit",
    "Root",
    "Scheduler",
    "Seccomp",
    "SeccompArgument",
    "SeccompRule",
    "Spec",
    "Throttle",
    "TimeOffset",
    "User",
    "WeightDevice",
]


class Root(Section):
    """root: the container's root filesystem; `path` absolute, or relative to the bundle."""

    __slots__ = ("path", "readonly")
    path: str
    readonly: bool
    REQUIRED = ("path",)
    PROPERTIES = {"path": ("path", text, "rootfs"), "readonly": ("readonly", boolean, False)}


def _destination(value: Any, pointer: str) -> str:
    path = text(value, pointer)
    if not path:
        raise SpecError(pointer, "must name a place, such as /data")
    depth = 0
    for name in path.split("/"):
        depth += -1 if name == ".." else name not in ("", ".")
        if depth < 0:
            raise SpecError(pointer, f"climbs out of the root filesystem: {path!r}")
    return path


class Mount(Section):
    """One of mounts, in the order in which they are made."""

    __slots__ = ("destination", "gid_mappings", "kind", "options", "source", "uid_mappings")
    destination: str
    kind: str
    source: str
    options: tuple[str, ...]
    uid_mappings: tuple[IdMapping, ...]
    gid_mappings: tuple[IdMapping, ...]
    REQUIRED = ("destination",)
    PROPERTIES = {
        "destination": ("destination", _destination, ""),
        "kind": ("type", text, ""),
        "source": ("source", text, ""),
        "options": ("options", array(text), ()),
        "uid_mappings": ("uidMappings", array(IdMapping.load), ()),
        "gid_mappings": ("gidMappings", array(IdMapping.load), ()),
    }


# The sections for other platforms (config.md, Platform-specific configuration).
_ELSEWHERE = {
    "vm": "is for runtimes that start a virtual machine; labkit makes namespaces of this kernel",
    "windows": "is for Windows, and labkit is for Linux",
    "solaris": "is for Solaris, and labkit is for Linux",
    "zos": "is for z/OS, and labkit is for Linux",
}


def _annotations(value: Any, pointer: str) -> dict[str, str]:
    annotations = string_map(value, pointer)
    if "" in annotations:
        raise SpecError(pointer, "must not have an empty key", "keys are names such as com.example.key")
    return annotations


class Spec(Section):
    """The whole of config.json."""

    __slots__ = ("annotations", "domainname", "hooks", "hostname", "linux", "mounts", "oci_version", "process", "root")
    oci_version: str
    root: Root
    process: Process
    hostname: str
    domainname: str
    mounts: tuple[Mount, ...]
    linux: Linux
    hooks: Hooks
    annotations: dict[str, str]
    REQUIRED = ("ociVersion", "root", "process")
    REFUSED = _ELSEWHERE
    PROPERTIES = {
        "oci_version": ("ociVersion", text, "1.2.0"),
        "root": ("root", Root.load, Root()),
        "process": ("process", Process.load, Process()),
        "hostname": ("hostname", text, ""),
        "domainname": ("domainname", text, ""),
        "mounts": ("mounts", array(Mount.load), ()),
        "linux": ("linux", Linux.load, Linux()),
        "hooks": ("hooks", Hooks.load, Hooks()),
        "annotations": ("annotations", _annotations, {}),
    }

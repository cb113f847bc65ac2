"""The sections of config.json for Linux (OCI runtime-spec: config.md, config-linux.md).

A class a section, an attribute a property. What this version does not honour is refused by name. The larger sections
have files of their own, and all their names are here.
"""

from __future__ import annotations

from labkit.spec.linux import Device, IdMapping, Linux, Namespace, Personality, TimeOffset
from labkit.spec.process import CapabilitySets, IoPriority, Process, Rlimit, Scheduler, User
from labkit.spec.resources import Cpu, DeviceRule, Memory, Pids, Resources
from labkit.spec.seccomp import Seccomp, SeccompArgument, SeccompRule
from labkit.spec.section import LATER, Section, array, boolean, string_map, text

__all__ = [
    "CapabilitySets",
    "Cpu",
    "Device",
    "DeviceRule",
    "IdMapping",
    "IoPriority",
    "Linux",
    "Memory",
    "Mount",
    "Namespace",
    "Personality",
    "Pids",
    "Process",
    "Resources",
    "Rlimit",
    "Root",
    "Scheduler",
    "Seccomp",
    "SeccompArgument",
    "SeccompRule",
    "Spec",
    "TimeOffset",
    "User",
]


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
    REFUSED = {"uidMappings": LATER, "gidMappings": LATER}
    PROPERTIES = {
        "destination": ("destination", text, ""),
        "kind": ("type", text, ""),
        "source": ("source", text, ""),
        "options": ("options", array(text), ()),
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
    REFUSED = {"hooks": LATER, "vm": LATER, "windows": LATER, "solaris": LATER, "zos": LATER}
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

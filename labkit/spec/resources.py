"""config.json, linux.resources: the limits that cgroups keep (OCI runtime-spec: config-linux.md)."""

from __future__ import annotations

from labkit.spec.section import INT64, LATER, UINT64, Section, array, boolean, one_of, text


class Memory(Section):
    """linux.resources.memory, in bytes; -1 is no limit."""

    __slots__ = ("limit", "reservation", "swap")
    limit: int | None
    reservation: int | None
    swap: int | None
    REFUSED = {"kernel": LATER, "kernelTCP": LATER, "swappiness": LATER, "disableOOMKiller": LATER}
    PROPERTIES = {
        "limit": ("limit", INT64, None),
        "reservation": ("reservation", INT64, None),
        "swap": ("swap", INT64, None),
    }


class Cpu(Section):
    """linux.resources.cpu; quota and period in microseconds."""

    __slots__ = ("cpus", "mems", "period", "quota", "shares")
    shares: int | None
    quota: int | None
    period: int | None
    cpus: str
    mems: str
    REFUSED = {"realtimeRuntime": LATER, "realtimePeriod": LATER, "burst": LATER, "idle": LATER}
    PROPERTIES = {
        "shares": ("shares", UINT64, None),
        "quota": ("quota", INT64, None),
        "period": ("period", UINT64, None),
        "cpus": ("cpus", text, ""),
        "mems": ("mems", text, ""),
    }


class Pids(Section):
    """linux.resources.pids; 0 or less is no limit."""

    __slots__ = ("limit",)
    limit: int
    REQUIRED = ("limit",)
    PROPERTIES = {"limit": ("limit", INT64, 0)}


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
        "major": ("major", INT64, None),
        "minor": ("minor", INT64, None),
        "access": ("access", text, ""),
    }


class Resources(Section):
    """linux.resources: the limits that cgroups keep."""

    __slots__ = ("cpu", "devices", "memory", "pids")
    devices: tuple[DeviceRule, ...]
    memory: Memory
    cpu: Cpu
    pids: Pids | None
    REFUSED = {"blockIO": LATER, "hugepageLimits": LATER, "network": LATER, "rdma": LATER, "unified": LATER}
    PROPERTIES = {
        "devices": ("devices", array(DeviceRule.load), ()),
        "memory": ("memory", Memory.load, Memory()),
        "cpu": ("cpu", Cpu.load, Cpu()),
        "pids": ("pids", Pids.load, None),
    }

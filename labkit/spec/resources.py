"""config.json, linux.resources: the limits that cgroups keep (OCI runtime-spec: config-linux.md).

A number that is 0 is one that is not set, as runc and crun read it; those for which 0 has a meaning of its own are None
when they are not set.
"""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.section import (
    INT64,
    UINT32,
    UINT64,
    Section,
    array,
    boolean,
    escape,
    integer,
    kind,
    one_of,
    string_map,
    text,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# -1 is no limit, and no other number below 0 means anything.
_BYTES = integer(-1, 2**63 - 1)
# The number of a device, which is 32 bits wide in the kernel's programs; -1 stands for all.
_NUMBER = integer(-1, 2**32 - 1)
# blkio.weight (block/bfq-cgroup.c takes 1 too, the specification's range begins at 10); 0 is not set.
_WEIGHT = integer(0, 1000)


def _list(value: Any, pointer: str) -> str:
    """CPUs or memory nodes in the List Format of cpuset(7): 0-3,7."""
    numbers = text(value, pointer)
    if numbers.strip("0123456789,-:/ "):
        raise SpecError(pointer, f"must be a list such as 0-3,7; not {numbers!r}")
    return numbers


def _access(value: Any, pointer: str) -> str:
    # "rwa", with an a for all that the kernel never had, is in configurations that runc takes.
    letters = text(value, pointer).replace("a", "")
    if set(letters) - set("rwm"):
        raise SpecError(pointer, f"must be letters of rwm (read, write, mknod), not {letters!r}")
    return letters


class Memory(Section):
    """linux.resources.memory, in bytes; -1 is no limit. `swap` counts memory and swap together."""

    __slots__ = (
        "check_before_update",
        "disable_oom_killer",
        "kernel",
        "kernel_tcp",
        "limit",
        "reservation",
        "swap",
        "swappiness",
        "use_hierarchy",
    )
    limit: int | None
    reservation: int | None
    swap: int | None
    kernel: int | None
    kernel_tcp: int | None
    swappiness: int | None
    disable_oom_killer: bool
    use_hierarchy: bool
    check_before_update: bool
    PROPERTIES = {
        "limit": ("limit", _BYTES, None),
        "reservation": ("reservation", _BYTES, None),
        "swap": ("swap", _BYTES, None),
        "kernel": ("kernel", INT64, None),
        "kernel_tcp": ("kernelTCP", INT64, None),
        "swappiness": ("swappiness", integer(0, 100), None),
        "disable_oom_killer": ("disableOOMKiller", boolean, False),
        "use_hierarchy": ("useHierarchy", boolean, False),
        "check_before_update": ("checkBeforeUpdate", boolean, False),
    }


class Cpu(Section):
    """linux.resources.cpu; times in microseconds."""

    __slots__ = ("burst", "cpus", "idle", "mems", "period", "quota", "realtime_period", "realtime_runtime", "shares")
    shares: int | None
    quota: int | None
    burst: int | None
    period: int | None
    realtime_runtime: int | None
    realtime_period: int | None
    idle: int | None
    cpus: str
    mems: str
    PROPERTIES = {
        "shares": ("shares", UINT64, None),
        "quota": ("quota", INT64, None),
        "burst": ("burst", UINT64, None),
        "period": ("period", UINT64, None),
        "realtime_runtime": ("realtimeRuntime", INT64, None),
        "realtime_period": ("realtimePeriod", UINT64, None),
        "idle": ("idle", integer(0, 1), None),
        "cpus": ("cpus", _list, ""),
        "mems": ("mems", _list, ""),
    }


class Pids(Section):
    """linux.resources.pids; -1 is no limit."""

    __slots__ = ("limit",)
    limit: int
    REQUIRED = ("limit",)
    PROPERTIES = {"limit": ("limit", INT64, 0)}


class WeightDevice(Section):
    """One of linux.resources.blockIO.weightDevice."""

    __slots__ = ("leaf_weight", "major", "minor", "weight")
    major: int
    minor: int
    weight: int
    leaf_weight: int
    REQUIRED = ("major", "minor")
    PROPERTIES = {
        "major": ("major", UINT32, 0),
        "minor": ("minor", UINT32, 0),
        "weight": ("weight", _WEIGHT, 0),
        "leaf_weight": ("leafWeight", _WEIGHT, 0),
    }


class Throttle(Section):
    """One of the four lists of throttles: at most `rate` bytes or operations in a second; 0 is no limit."""

    __slots__ = ("major", "minor", "rate")
    major: int
    minor: int
    rate: int
    REQUIRED = ("major", "minor", "rate")
    PROPERTIES = {
        "major": ("major", UINT32, 0),
        "minor": ("minor", UINT32, 0),
        "rate": ("rate", UINT64, 0),
    }


class BlockIo(Section):
    """linux.resources.blockIO: weights of 10 … 1000 and throttles by device."""

    __slots__ = ("leaf_weight", "read_bps", "read_iops", "weight", "weight_devices", "write_bps", "write_iops")
    weight: int
    leaf_weight: int
    weight_devices: tuple[WeightDevice, ...]
    read_bps: tuple[Throttle, ...]
    write_bps: tuple[Throttle, ...]
    read_iops: tuple[Throttle, ...]
    write_iops: tuple[Throttle, ...]
    PROPERTIES = {
        "weight": ("weight", _WEIGHT, 0),
        "leaf_weight": ("leafWeight", _WEIGHT, 0),
        "weight_devices": ("weightDevice", array(WeightDevice.load), ()),
        "read_bps": ("throttleReadBpsDevice", array(Throttle.load), ()),
        "write_bps": ("throttleWriteBpsDevice", array(Throttle.load), ()),
        "read_iops": ("throttleReadIOPSDevice", array(Throttle.load), ()),
        "write_iops": ("throttleWriteIOPSDevice", array(Throttle.load), ()),
    }


def _page_size(value: Any, pointer: str) -> str:
    """A size of huge pages as the files of the hugetlb controller name it: 64KB, 2MB, 1GB."""
    size = text(value, pointer)
    number, unit = size[:-2], size[-2:]
    if unit not in ("KB", "MB", "GB") or not (number.isascii() and number.isdigit()) or number.startswith("0"):
        raise SpecError(pointer, f"must be a size such as 64KB, 2MB or 1GB, not {size!r}")
    return size


class HugepageLimit(Section):
    """One of linux.resources.hugepageLimits: at most `limit` bytes in huge pages of one size."""

    __slots__ = ("limit", "page_size")
    page_size: str
    limit: int
    REQUIRED = ("pageSize", "limit")
    PROPERTIES = {"page_size": ("pageSize", _page_size, ""), "limit": ("limit", UINT64, 0)}


def _interface(value: Any, pointer: str) -> str:
    """A name of a network interface: one word (net/core/dev.c, dev_valid_name)."""
    name = text(value, pointer)
    if not name or len(name) > 15 or "/" in name or name.split() != [name]:
        raise SpecError(pointer, f"must be the name of a network interface, not {name!r}")
    return name


class InterfacePriority(Section):
    """One of linux.resources.network.priorities."""

    __slots__ = ("name", "priority")
    name: str
    priority: int
    REQUIRED = ("name", "priority")
    PROPERTIES = {"name": ("name", _interface, ""), "priority": ("priority", UINT32, 0)}


class NetworkLimits(Section):
    """linux.resources.network: the class and the priority of what is sent, for tc(8)."""

    __slots__ = ("class_id", "priorities")
    class_id: int | None
    priorities: tuple[InterfacePriority, ...]
    PROPERTIES = {
        "class_id": ("classID", UINT32, None),
        "priorities": ("priorities", array(InterfacePriority.load), ()),
    }


class Rdma(Section):
    """One of linux.resources.rdma, by device."""

    __slots__ = ("hca_handles", "hca_objects")
    hca_handles: int | None
    hca_objects: int | None
    PROPERTIES = {
        "hca_handles": ("hcaHandles", UINT32, None),
        "hca_objects": ("hcaObjects", UINT32, None),
    }


def _rdma(value: Any, pointer: str) -> dict[str, Rdma]:
    if not isinstance(value, dict):
        raise SpecError(pointer, f"must be an object, not {kind(value)}")
    found = {}
    for name, limits in value.items():
        place = f"{pointer}/{escape(name)}"
        if text(name, place).split() != [name]:
            raise SpecError(place, "must be the name of an RDMA device")
        found[name] = Rdma.load(limits, place)
        if found[name].hca_handles is None and found[name].hca_objects is None:
            raise SpecError(place, "must have hcaHandles or hcaObjects")
    return found


def _unified(value: Any, pointer: str) -> dict[str, str]:
    """Files of cgroup v2 by name; nothing may lead out of the container's cgroup or move processes."""
    files = string_map(value, pointer)
    for name in files:
        place = f"{pointer}/{escape(name)}"
        controller, dot, rest = name.partition(".")
        if "/" in name or not (controller and dot and rest):
            raise SpecError(place, "must be the name of a file of cgroup v2, such as memory.high")
        if name in ("cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.subtree_control", "cgroup.type"):
            raise SpecError(place, "is no limit: labkit itself uses this file")
    return files


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
        "major": ("major", _NUMBER, None),
        "minor": ("minor", _NUMBER, None),
        "access": ("access", _access, ""),
    }


class Resources(Section):
    """linux.resources: the limits that cgroups keep."""

    __slots__ = ("block_io", "cpu", "devices", "hugepages", "memory", "network", "pids", "rdma", "unified")
    devices: tuple[DeviceRule, ...]
    memory: Memory
    cpu: Cpu
    pids: Pids | None
    block_io: BlockIo
    hugepages: tuple[HugepageLimit, ...]
    network: NetworkLimits
    rdma: dict[str, Rdma]
    unified: dict[str, str]
    PROPERTIES = {
        "devices": ("devices", array(DeviceRule.load), ()),
        "memory": ("memory", Memory.load, Memory()),
        "cpu": ("cpu", Cpu.load, Cpu()),
        "pids": ("pids", Pids.load, None),
        "block_io": ("blockIO", BlockIo.load, BlockIo()),
        "hugepages": ("hugepageLimits", array(HugepageLimit.load), ()),
        "network": ("network", NetworkLimits.load, NetworkLimits()),
        "rdma": ("rdma", _rdma, {}),
        "unified": ("unified", _unified, {}),
    }

"""Limits as files of the v2 controllers (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from labkit.cgroups.both import THROTTLES, hugepages, idle_and_sets, pids, rdma
from labkit.cgroups.limit import Limit
from labkit.errors import SpecError
from labkit.spec.model import BlockIo, Cpu, Memory, Resources
from labkit.spec.section import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_DEFAULT_PERIOD = 100_000
_IO_MAX = {"read_bps": "rbps", "write_bps": "wbps", "read_iops": "riops", "write_iops": "wiops"}


def writes(resources: Resources) -> list[Limit]:
    """The limits that are set, but for `unified`."""
    found = [*_memory(resources.memory), *_cpu(resources.cpu)]
    found += pids(resources.pids)
    found += _block_io(resources.block_io)
    found += hugepages(resources.hugepages, ("max", "rsvd.max"))
    return found + rdma(resources.rdma)


def unified(resources: Resources, controllers: Collection[str] | None) -> list[Limit]:
    """The limits of `unified`, as they are given; a file of several lines is written line by line.

    Raises SpecError for a file whose controller the v2 tree lacks, or when there is no such tree (None).
    """
    found = []
    for file, text in resources.unified.items():
        pointer = f"/linux/resources/unified/{escape(file)}"
        controller = file.partition(".")[0]
        if controllers is None:
            raise SpecError(pointer, "is a file of cgroup v2, which is not mounted here", "use the other properties")
        if controller not in controllers and controller != "cgroup":
            known = ", ".join(sorted(controllers)) or "none"
            advice = f"the controllers there are: {known}"
            raise SpecError(pointer, f"the cgroup v2 tree of this host has no controller {controller!r}", advice)
        found += [Limit(controller, file, line, "as config.json has it") for line in text.splitlines() or [""]]
    return found


def refuse(resources: Resources, controllers: Collection[str]) -> None:
    """Raise SpecError for what the v2 versions of `controllers` cannot keep."""
    cpu, block_io = resources.cpu, resources.block_io
    asked = [
        ("memory", "memory/disableOOMKiller", resources.memory.disable_oom_killer),
        ("cpu", "cpu/realtimeRuntime", cpu.realtime_runtime),
        ("cpu", "cpu/realtimePeriod", cpu.realtime_period),
        ("io", "blockIO/leafWeight", block_io.leaf_weight),
    ]
    for index, device in enumerate(block_io.weight_devices):
        asked.append(("io", f"blockIO/weightDevice/{index}/leafWeight", device.leaf_weight))
    for controller, place, value in asked:
        if value and controller in controllers:
            raise SpecError(
                f"/linux/resources/{place}",
                f"cannot be kept by the cgroup v2 controller {controller!r}",
                "leave it out, or use a host with v1 controllers",
            )


def _memory(memory: Memory) -> list[Limit]:
    found = []
    if memory.limit:
        why = "past this the kernel reclaims, then kills"
        found.append(Limit("memory", "memory.max", _maximum(memory.limit), why))
    swap = memory.swap or (-1 if memory.limit == -1 else 0)
    if swap:
        # The specification counts memory and swap together, v2 counts swap alone.
        alone = swap - max(memory.limit or 0, 0) if swap > 0 else swap
        found.append(Limit("memory", "memory.swap.max", _maximum(alone), "swap alone, unlike v1's memory.memsw"))
    if memory.reservation:
        why = "below this it is spared when the host is short"
        found.append(Limit("memory", "memory.low", _maximum(memory.reservation), why))
    return found


def _cpu(cpu: Cpu) -> list[Limit]:
    found = []
    if cpu.shares:
        found.append(Limit("cpu", "cpu.weight", str(weight(cpu.shares)), "its weight when CPUs are contended"))
    if cpu.quota or cpu.period:
        quota = str(cpu.quota) if (cpu.quota or 0) > 0 else "max"
        value = f"{quota} {cpu.period or _DEFAULT_PERIOD}"
        found.append(Limit("cpu", "cpu.max", value, "quota and period in microseconds; past the quota it waits"))
    if cpu.burst is not None:
        why = "what it may save up of its quota for a later period"
        found.append(Limit("cpu", "cpu.max.burst", str(cpu.burst), why))
    return found + idle_and_sets(cpu)


def _block_io(block_io: BlockIo) -> list[Limit]:
    found = []
    if block_io.weight:
        found.append(_weight("", block_io.weight, ""))
    for device in block_io.weight_devices:
        if device.weight:
            number = f"{device.major}:{device.minor}"
            found.append(_weight(f"{number} ", device.weight, f"{number} default"))
    for name, why in THROTTLES:
        for throttle in getattr(block_io, name):
            number, key = f"{throttle.major}:{throttle.minor}", _IO_MAX[name]
            unset = f"{number} rbps=max wbps=max riops=max wiops=max"
            found.append(Limit("io", "io.max", f"{number} {key}={throttle.rate or 'max'}", why, unset))
    return found


def _weight(device: str, number: int, unset: str) -> Limit:
    """BFQ's file where that scheduler is loaded, else that of the cost model (blk-iocost)."""
    why = "its weight when a disk is contended"
    other = Limit("io", "io.weight", f"{device}{io_weight(number)}", why, unset)
    return Limit("io", "io.bfq.weight", f"{device}{number}", why, unset, other)


def _maximum(value: int) -> str:
    return "max" if value < 0 else str(value)


def weight(shares: int) -> int:
    """v1's cpu.shares (2 … 262144) as v2's cpu.weight (1 … 10000), on the line that runc and crun use."""
    return 1 + (min(max(shares, 2), 262_144) - 2) * 9_999 // 262_142


def io_weight(number: int) -> int:
    """The specification's weight (10 … 1000) as io.weight (1 … 10000), on the line that runc and crun use."""
    return 1 + (number - 10) * 9_999 // 990

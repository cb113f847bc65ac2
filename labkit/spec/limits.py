"""The specification's rules for linux.resources that concern more than one property, or what the kernel takes."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.resources import BlockIo, Cpu, Memory, Resources

_POINTER = "/linux/resources"


def validate_resources(resources: Resources) -> None:
    """Raise SpecError, with the JSON pointer, at the first contradiction."""
    _memory(resources.memory)
    _cpu(resources.cpu)
    _block_io(resources.block_io)
    sizes: set[str] = set()
    for index, limit in enumerate(resources.hugepages):
        if limit.page_size in sizes:
            raise SpecError(f"{_POINTER}/hugepageLimits/{index}", f"{limit.page_size} is given twice")
        sizes.add(limit.page_size)


def _memory(memory: Memory) -> None:
    limit, swap = memory.limit or 0, memory.swap or 0
    if swap > 0 and not limit:
        raise SpecError(f"{_POINTER}/memory/swap", "needs a memory limit: it counts memory and swap together")
    if 0 < swap < limit:
        raise SpecError(f"{_POINTER}/memory/swap", "must be at least the memory limit, which it includes")


def _cpu(cpu: Cpu) -> None:
    files = "they go to the controller cpu: cpu.cfs_quota_us and cpu.cfs_period_us, or on v2 cpu.max"
    # kernel/sched/core.c: min_cfs_quota_period and max_cfs_quota_period.
    if 0 < (cpu.quota or 0) < 1000:
        raise SpecError(f"{_POINTER}/cpu/quota", "must be at least 1000 microseconds, the kernel's minimum", files)
    if cpu.period and not 1000 <= cpu.period <= 1_000_000:
        raise SpecError(f"{_POINTER}/cpu/period", "must be between 1000 and 1000000 microseconds", files)
    if (cpu.burst or 0) > (cpu.quota or 0) > 0:
        raise SpecError(f"{_POINTER}/cpu/burst", "must not exceed the quota")
    if (cpu.realtime_runtime or 0) > (cpu.realtime_period or 0) > 0:
        raise SpecError(f"{_POINTER}/cpu/realtimeRuntime", "must not exceed the period, realtimePeriod")


def _block_io(block_io: BlockIo) -> None:
    weights = [("weight", block_io.weight), ("leafWeight", block_io.leaf_weight)]
    for index, device in enumerate(block_io.weight_devices):
        place = f"weightDevice/{index}"
        if not device.weight and not device.leaf_weight:
            raise SpecError(f"{_POINTER}/blockIO/{place}", "must have a weight")
        weights += [(f"{place}/weight", device.weight), (f"{place}/leafWeight", device.leaf_weight)]
    for name, weight in weights:
        if 0 < weight < 10:
            raise SpecError(f"{_POINTER}/blockIO/{name}", f"must be between 10 and 1000, not {weight}")

"""Limits as files of the v2 controllers (Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from labkit.spec.model import Resources

_DEFAULT_PERIOD = 100_000


def writes(resources: Resources) -> list[tuple[str, str, str, str]]:
    """(controller, file, value, why) for each limit that is set."""
    memory, cpu, pids = resources.memory, resources.cpu, resources.pids
    found: list[tuple[str, str, str, str]] = []
    if memory.limit is not None:
        found.append(("memory", "memory.max", _maximum(memory.limit), "past this the kernel reclaims, then kills"))
    if memory.swap is not None:
        # The specification counts memory and swap together, v2 counts swap alone.
        alone = memory.swap - (memory.limit or 0) if memory.swap > 0 else memory.swap
        found.append(("memory", "memory.swap.max", _maximum(alone), "swap alone, unlike v1's memory.memsw"))
    if memory.reservation is not None:
        why = "below this it is spared when the host is short"
        found.append(("memory", "memory.low", _maximum(memory.reservation), why))
    if cpu.shares is not None:
        found.append(("cpu", "cpu.weight", str(weight(cpu.shares)), "its weight when CPUs are contended"))
    if cpu.quota is not None or cpu.period is not None:
        quota = "max" if cpu.quota is None or cpu.quota <= 0 else str(cpu.quota)
        value = f"{quota} {_DEFAULT_PERIOD if cpu.period is None else cpu.period}"
        found.append(("cpu", "cpu.max", value, "quota and period in microseconds; past the quota it waits"))
    if cpu.cpus:
        found.append(("cpuset", "cpuset.cpus", cpu.cpus, "the CPUs it may run on"))
    if cpu.mems:
        found.append(("cpuset", "cpuset.mems", cpu.mems, "the memory nodes it may allocate from"))
    if pids is not None:
        limit = str(pids.limit) if pids.limit > 0 else "max"
        found.append(("pids", "pids.max", limit, "past this fork(2) fails with EAGAIN"))
    return found


def _maximum(value: int) -> str:
    return "max" if value < 0 else str(value)


def weight(shares: int) -> int:
    """v1's cpu.shares (2 … 262144) as v2's cpu.weight (1 … 10000), on the line that runc and crun use."""
    return 1 + (min(max(shares, 2), 262_144) - 2) * 9_999 // 262_142

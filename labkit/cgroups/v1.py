"""Limits as files of the v1 controllers (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

from labkit.spec.model import DeviceRule, Resources

# What is allowed whatever the rules say: the specification's default devices, terminals and the making of any node.
_DEFAULT_DEVICES = (
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
)


def writes(resources: Resources) -> list[tuple[str, str, str, str]]:
    """(controller, file, value, why) for each limit that is set, in the order in which the kernel takes them."""
    memory, cpu, pids = resources.memory, resources.cpu, resources.pids
    found: list[tuple[str, str, str, str]] = []
    if memory.limit is not None:
        why = "past this the kernel reclaims, then kills"
        found.append(("memory", "memory.limit_in_bytes", str(memory.limit), why))
    if memory.swap is not None:
        why = "memory and swap together; after the memory limit, which it may not undercut"
        found.append(("memory", "memory.memsw.limit_in_bytes", str(memory.swap), why))
    if memory.reservation is not None:
        why = "what it is pressed back to when the host is short"
        found.append(("memory", "memory.soft_limit_in_bytes", str(memory.reservation), why))
    if cpu.shares is not None:
        found.append(("cpu", "cpu.shares", str(cpu.shares), "its weight when CPUs are contended"))
    if cpu.period is not None:
        found.append(("cpu", "cpu.cfs_period_us", str(cpu.period), "the period over which the quota counts"))
    if cpu.quota is not None:
        found.append(("cpu", "cpu.cfs_quota_us", str(cpu.quota), "past this in a period it waits for the next"))
    if cpu.cpus:
        found.append(("cpuset", "cpuset.cpus", cpu.cpus, "the CPUs it may run on"))
    if cpu.mems:
        found.append(("cpuset", "cpuset.mems", cpu.mems, "the memory nodes it may allocate from"))
    if pids is not None:
        limit = str(pids.limit) if pids.limit > 0 else "max"
        found.append(("pids", "pids.max", limit, "past this fork(2) fails with EAGAIN"))
    if resources.devices:
        for rule in resources.devices:
            file = "devices.allow" if rule.allow else "devices.deny"
            found.append(("devices", file, device(rule), "which device nodes may be opened or made"))
        for text in _DEFAULT_DEVICES:
            found.append(("devices", "devices.allow", text, "the default devices stay usable"))
    return found


def device(rule: DeviceRule) -> str:
    """A rule as devices.allow and devices.deny take it: `c 1:3 rwm`, or `a` for everything."""
    if rule.kind == "a" and rule.major is None and rule.minor is None:
        return "a"
    numbers = ["*" if number is None or number < 0 else str(number) for number in (rule.major, rule.minor)]
    return f"{rule.kind} {numbers[0]}:{numbers[1]} {rule.access or 'rwm'}"

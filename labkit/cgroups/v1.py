"""Limits as files of the v1 controllers (Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

from labkit.cgroups.both import THROTTLES, hugepages, idle_and_sets, pids, rdma
from labkit.cgroups.limit import Limit
from labkit.spec.model import BlockIo, Cpu, DeviceRule, Memory, NetworkLimits, Resources

# What is allowed whatever the rules say: the specification's default devices, terminals and the making of any node.
DEFAULT_DEVICES = (
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


def writes(resources: Resources) -> list[Limit]:
    """The limits that are set, in the order in which the kernel takes them."""
    found = [*_memory(resources.memory), *_cpu(resources.cpu)]
    found += pids(resources.pids)
    found += _block_io(resources.block_io)
    found += hugepages(resources.hugepages, ("limit_in_bytes", "rsvd.limit_in_bytes"))
    found += _network(resources.network)
    found += rdma(resources.rdma)
    return found + _devices(resources.devices)


def _memory(memory: Memory) -> list[Limit]:
    found = []
    if memory.limit:
        why = "past this the kernel reclaims, then kills"
        found.append(Limit("memory", "memory.limit_in_bytes", str(memory.limit), why))
    # No limit of memory is no limit of memory and swap together either.
    swap = memory.swap or (-1 if memory.limit == -1 else 0)
    if swap:
        why = "memory and swap together; after the memory limit, which it may not undercut"
        found.append(Limit("memory", "memory.memsw.limit_in_bytes", str(swap), why))
    if memory.reservation:
        why = "what it is pressed back to when the host is short"
        found.append(Limit("memory", "memory.soft_limit_in_bytes", str(memory.reservation), why))
    if memory.kernel_tcp:
        why = "the buffers of TCP's sockets, past which its packets are dropped"
        found.append(Limit("memory", "memory.kmem.tcp.limit_in_bytes", str(memory.kernel_tcp), why))
    if memory.swappiness is not None:
        why = "how readily its memory is swapped out, 0 to 100"
        found.append(Limit("memory", "memory.swappiness", str(memory.swappiness), why))
    if memory.disable_oom_killer:
        why = "at its limit a process waits instead of being killed"
        found.append(Limit("memory", "memory.oom_control", "1", why))
    if memory.use_hierarchy:
        why = "cgroups below count towards its limits; since Linux 5.11 they always do"
        found.append(Limit("memory", "memory.use_hierarchy", "1", why))
    return found


def _cpu(cpu: Cpu) -> list[Limit]:
    found = []
    for file, number, why in (
        ("cpu.shares", cpu.shares, "its weight when CPUs are contended"),
        ("cpu.cfs_period_us", cpu.period, "the period over which the quota counts"),
        ("cpu.cfs_quota_us", cpu.quota, "past this in a period it waits for the next"),
        ("cpu.rt_period_us", cpu.realtime_period, "the period over which real-time processes are limited"),
        ("cpu.rt_runtime_us", cpu.realtime_runtime, "what real-time processes may run in a period"),
    ):
        if number:
            found.append(Limit("cpu", file, str(number), why))
    if cpu.burst is not None:
        why = "what it may save up of its quota for a later period"
        found.append(Limit("cpu", "cpu.cfs_burst_us", str(cpu.burst), why))
    return found + idle_and_sets(cpu)


def _block_io(block_io: BlockIo) -> list[Limit]:
    why, leaf_why = "its weight when a disk is contended", "the same against the cgroups below it"
    found = []
    if block_io.weight:
        found.append(_weight("blkio.weight", "blkio.bfq.weight", str(block_io.weight), why))
    if block_io.leaf_weight:
        found.append(Limit("blkio", "blkio.leaf_weight", str(block_io.leaf_weight), leaf_why))
    for device in block_io.weight_devices:
        number = f"{device.major}:{device.minor}"
        if device.weight:
            value = f"{number} {device.weight}"
            found.append(_weight("blkio.weight_device", "blkio.bfq.weight_device", value, why, f"{number} 0"))
        if device.leaf_weight:
            value = f"{number} {device.leaf_weight}"
            found.append(Limit("blkio", "blkio.leaf_weight_device", value, leaf_why, f"{number} 0"))
    for name, text in THROTTLES:
        for throttle in getattr(block_io, name):
            number = f"{throttle.major}:{throttle.minor}"
            file = f"blkio.throttle.{name}_device"
            found.append(Limit("blkio", file, f"{number} {throttle.rate}", text, f"{number} 0"))
    return found


def _weight(file: str, bfq: str, value: str, why: str, unset: str = "") -> Limit:
    """CFQ's file, which left the kernel with it (Linux 5.0), or BFQ's."""
    return Limit("blkio", file, value, why, unset, Limit("blkio", bfq, value, why, unset))


def _network(network: NetworkLimits) -> list[Limit]:
    found = []
    if network.class_id is not None:
        found.append(Limit("net_cls", "net_cls.classid", str(network.class_id), "the class tc(8) sees on its packets"))
    for one in network.priorities:
        value = f"{one.name} {one.priority}"
        found.append(Limit("net_prio", "net_prio.ifpriomap", value, "the priority of its packets", f"{one.name} 0"))
    return found


def _devices(rules: tuple[DeviceRule, ...]) -> list[Limit]:
    """What no rule names is denied, as under runc and crun, and the default devices stay usable."""
    if not rules:
        return []
    found = [Limit("devices", "devices.deny", "a", "what no rule allows is denied")]
    for rule in rules:
        file = "devices.allow" if rule.allow else "devices.deny"
        lines = device_lines(rule)
        if lines == ["a"]:
            # It decides on everything: what went before is without effect.
            found = []
        found += [Limit("devices", file, line, "which device nodes may be opened or made") for line in lines]
    for text in DEFAULT_DEVICES:
        found.append(Limit("devices", "devices.allow", text, "the default devices stay usable"))
    return found


def device_lines(rule: DeviceRule) -> list[str]:
    """A rule as devices.allow and devices.deny take it: `c 1:3 rwm`, or `a` for everything."""
    access = rule.access or "rwm"
    numbers = ["*" if number is None or number < 0 else str(number) for number in (rule.major, rule.minor)]
    if rule.kind == "a" and numbers == ["*", "*"] and set(access) == set("rwm"):
        return ["a"]
    # The kernel takes any line that begins with `a` for everything, whatever its numbers and accesses.
    return [f"{kind} {numbers[0]}:{numbers[1]} {access}" for kind in ("bc" if rule.kind == "a" else rule.kind)]

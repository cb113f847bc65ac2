"""How the kernel serves the calling process: sched_setattr(2), ioprio_set(2), set_mempolicy(2), personality(2)."""

from __future__ import annotations

from _struct import calcsize, pack

from labkit.linux import os
from labkit.linux.libc import syscall

# include/uapi/linux/sched.h, under the names of config.json.
POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}

# include/uapi/linux/ioprio.h.
IOPRIO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
IOPRIO_WHO_PROCESS = 1
_IOPRIO_CLASS_SHIFT = 13

# include/uapi/linux/mempolicy.h, under the names of config.json.
MEMORY_POLICIES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMORY_POLICY_FLAGS = {
    "MPOL_F_NUMA_BALANCING": 1 << 13,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_STATIC_NODES": 1 << 15,
}

# include/uapi/linux/personality.h, under the names of config.json.
PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}


# struct sched_attr of sched_setattr(2), its first version, without utilization clamps: size, policy, flags, nice,
# priority, runtime, deadline, period.
SCHED_ATTR = "=IIQiI3Q"


def set_affinity(cpus: tuple[int, ...]) -> None:
    """sched_setaffinity(2)."""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"CPUs {', '.join(map(str, cpus))}") from error


def sched_setattr(
    policy: str, flags: tuple[str, ...], nice: int, priority: int, runtime: int, deadline: int, period: int
) -> None:
    """sched_setattr(2); `policy` and `flags` are names of the tables above, the last three times nanoseconds."""
    bits = 0
    for flag in flags:
        bits |= SCHED_FLAGS[flag]
    size = calcsize(SCHED_ATTR)
    attributes = pack(SCHED_ATTR, size, POLICIES[policy], bits, nice, priority, runtime, deadline, period)
    syscall("sched_setattr", 0, attributes, 0, path=policy)


def ioprio_set(kind: str, priority: int) -> None:
    """ioprio_set(2); `kind` is a name of IOPRIO_CLASSES, `priority` 0 (the first served) to 7."""
    value = IOPRIO_CLASSES[kind] << _IOPRIO_CLASS_SHIFT | priority
    syscall("ioprio_set", IOPRIO_WHO_PROCESS, 0, value, path=kind)


def set_mempolicy(mode: str, flags: tuple[str, ...], nodes: tuple[int, ...]) -> None:
    """set_mempolicy(2); `mode` and `flags` are names of the tables above, `nodes` memory nodes' numbers."""
    bits = MEMORY_POLICIES[mode]
    for flag in flags:
        bits |= MEMORY_POLICY_FLAGS[flag]
    mask = sum(1 << node for node in nodes)
    size = (max(nodes, default=-1) // 64 + 1) * 8
    # One more than there are bits: the kernel does not look at the last one (get_nodes in mm/mempolicy.c).
    syscall("set_mempolicy", bits, mask.to_bytes(size, "little") or None, size * 8 + 1 if size else 0, path=mode)


def personality(domain: str) -> None:
    """personality(2); `domain` is a name of PERSONALITIES."""
    syscall("personality", PERSONALITIES[domain], path=domain)

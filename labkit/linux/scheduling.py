"""How the kernel schedules the calling process: sched_setattr(2), ioprio_set(2), personality(2)."""

from __future__ import annotations

import ctypes

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

# include/uapi/linux/personality.h, under the names of config.json.
PERSONALITIES = {"LINUX": 0x0000, "LINUX32": 0x0008}


class SchedAttr(ctypes.Structure):
    """struct sched_attr of sched_setattr(2), its first version (48 bytes, without utilization clamps)."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
    )


def sched_setattr(
    policy: str, flags: tuple[str, ...], nice: int, priority: int, runtime: int, deadline: int, period: int
) -> None:
    """sched_setattr(2); `policy` and `flags` are names of the tables above, the last three times nanoseconds."""
    bits = 0
    for flag in flags:
        bits |= SCHED_FLAGS[flag]
    size = ctypes.sizeof(SchedAttr)
    attributes = SchedAttr(size, POLICIES[policy], bits, nice, priority, runtime, deadline, period)
    syscall("sched_setattr", 0, attributes, 0, path=policy)


def ioprio_set(kind: str, priority: int) -> None:
    """ioprio_set(2); `kind` is a name of IOPRIO_CLASSES, `priority` 0 (the first served) to 7."""
    value = IOPRIO_CLASSES[kind] << _IOPRIO_CLASS_SHIFT | priority
    syscall("ioprio_set", IOPRIO_WHO_PROCESS, 0, value, path=kind)


def personality(domain: str) -> None:
    """personality(2); `domain` is a name of PERSONALITIES."""
    syscall("personality", PERSONALITIES[domain], path=domain)

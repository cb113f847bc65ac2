"""Quantities as people write them."""

from __future__ import annotations

from labkit.errors import LabkitError

_BINARY = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_bytes(value: str | int, what: str) -> int:
    """`64M`, `64MiB`, `1.5G` or a number of bytes, as bytes; suffixes are powers of 1024, as Docker's are."""
    if not isinstance(value, str):
        number, unit = str(int(value)), ""
    else:
        text = value.strip()
        digits = len(text) - len(text.lstrip("0123456789."))
        number, unit = text[:digits], text[digits:].upper()
    if len(unit) > 1:
        unit = unit.removesuffix("IB") if unit.endswith("IB") else unit.removesuffix("B")
    try:
        amount = int(float(number) * _BINARY[unit]) if "." in number else int(number) * _BINARY[unit]
    except (KeyError, ValueError, OverflowError):
        amount = 0
    if not 0 < amount < 2**63:
        raise LabkitError(f"{what} {value!r} is not an amount of memory", "write a number with K, M or G, such as 64M")
    return amount


def parse_count(value: str | int, what: str) -> int:
    """A whole number above 0."""
    try:
        count = int(value)
    except ValueError:
        count = 0
    # include/linux/threads.h: PID_MAX_LIMIT, the largest that pids.max takes.
    if not 0 < count <= 2**22 or (not isinstance(value, str) and count != value):
        raise LabkitError(f"{what} {value!r} is not a whole number from 1 to 4194304", "write a number such as 32")
    return count


def parse_cpus(value: str | float, what: str) -> float:
    """A number of CPUs above 0; fractions are allowed."""
    try:
        cpus = float(value)
    except ValueError:
        cpus = 0.0
    # The kernel's smallest quota is 1 ms in a period of 100 ms (kernel/sched/core.c, min_cfs_quota_period).
    if not 0.01 <= cpus <= 8192:
        raise LabkitError(f"{what} {value!r} is not a number of CPUs", "write a number from 0.01 on, such as 1.5")
    return cpus

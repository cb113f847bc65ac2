"""Memory: sysbench writes one block over and over, which stays in the caches."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number


def args(scale: float) -> tuple[str, ...]:
    """sysbench(1): a fixed number of blocks."""
    total = f"--memory-total-size={max(1, round(6144 * scale))}M"
    return ("sysbench", "memory", "--memory-block-size=1M", total, "--memory-oper=write", "--time=0", "run")


def parse(text: str) -> list[Measurement]:
    """The rate of bytes written."""
    rate = number(r"transferred \(([\d.]+) MiB/sec\)", text, "its MiB per second")
    return [Measurement("throughput", "bytes/s", rate * 2**20)]


WORKLOAD = Workload("sysbench-memory", "memory", "writes of a block of 1 MiB", ("sysbench",), args, parse, "throughput")

"""CPU: sysbench counts primes, which makes hardly any system call."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number


def args(scale: float) -> tuple[str, ...]:
    """sysbench(1): a fixed number of events, so that a slower sandbox takes longer."""
    return ("sysbench", "cpu", "--cpu-max-prime=10000", f"--events={round(350 * scale)}", "--time=0", "run")


def parse(text: str) -> list[Measurement]:
    """The rate of events."""
    return [Measurement("throughput", "1/s", number(r"events per second:\s+([\d.]+)", text, "its events per second"))]


WORKLOAD = Workload("sysbench-cpu", "cpu", "primes up to 10 000", ("sysbench",), args, parse, "throughput", core=True)

"""stress-ng's stressors: rates of one kind of work, to check by another harness what our own program finds."""

from __future__ import annotations

from collections.abc import Callable

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number


def _args(stressor: str, count: int, *options: str) -> Callable[[float], tuple[str, ...]]:
    """stress-ng(1): a fixed number of its operations, by one worker."""

    def args(scale: float) -> tuple[str, ...]:
        wanted = (f"--{stressor}", "1", f"--{stressor}-ops", str(max(1, round(count * scale))))
        return ("stress-ng", *wanted, *options, "--temp-path", "/tmp", "--metrics-brief", "--stdout")

    return args


def _parse(stressor: str) -> Callable[[str], list[Measurement]]:
    def parse(text: str) -> list[Measurement]:
        # stressor, operations, real, user and system time, operations per second of real time.
        row = rf"\] {stressor} +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+) "
        return [Measurement("throughput", "1/s", number(row, text, f"the rate of {stressor}"))]

    return parse


def _workload(stressor: str, group: str, about: str, count: int, *options: str, core: bool = False) -> Workload:
    return Workload(
        f"stress-{stressor}",
        group,
        about,
        ("stress-ng",),
        _args(stressor, count, *options),
        _parse(stressor),
        "throughput",
        core=core,
    )


SYSCALLS = (
    _workload("fork", "syscalls", "stress-ng's forks of a process that ends at once", 150),
    _workload("switch", "syscalls", "stress-ng's switches between two processes by a pipe", 10_000),
)
MEMORY = (
    _workload(
        "malloc",
        "memory",
        "malloc, realloc and free of up to 8 KiB, 2000 at once",
        25_000,
        "--malloc-bytes",
        "8K",
        "--malloc-max",
        "2000",
        core=True,
    ),
)

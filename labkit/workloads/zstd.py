"""Compression: zstd's own benchmark, in memory, of a large program."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import BINARY, Workload, number


def args(scale: float) -> tuple[str, ...]:
    """zstd(1): once there and back, of so many copies."""
    return ("zstd", "-q", "-b3", "-i0", "-T1", *[BINARY] * max(1, round(scale)))


def parse(text: str) -> list[Measurement]:
    """The rates at which it compresses and decompresses, in bytes of the program."""
    row = r"^-3 +\d+ \([\d.]+\) +%s MB/s +%s MB/s"
    return [
        Measurement("throughput", "bytes/s", 1e6 * number(row % (r"([\d.]+)", r"[\d.]+"), text, "its rate")),
        Measurement("decompression", "bytes/s", 1e6 * number(row % (r"[\d.]+", r"([\d.]+)"), text, "its second rate")),
    ]


WORKLOAD = Workload("zstd", "applications", "zstd -3 of a program of 33 MB", ("zstd", "gcc"), args, parse, "throughput")

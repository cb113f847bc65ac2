"""CPU: openssl hashes blocks with SHA-256, in whose loop there is no system call."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number


def args(scale: float) -> tuple[str, ...]:
    """openssl-speed(1), by the clock of the wall; it counts in whole seconds."""
    seconds = str(max(1, round(scale)))
    return ("openssl", "speed", "-elapsed", "-mr", "-evp", "sha256", "-bytes", "16384", "-seconds", seconds)


def parse(text: str) -> list[Measurement]:
    """The rate of bytes."""
    return [Measurement("throughput", "bytes/s", number(r"^\+F:\d+:sha256:([\d.]+)$", text, "its rate of bytes"))]


WORKLOAD = Workload("openssl", "cpu", "SHA-256 of blocks of 16 KiB", ("openssl",), args, parse, "throughput")

"""memcached: GET of small values by 4 threads."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number

PORT = 11211
_THREADS = 4


def args(scale: float) -> tuple[str, ...]:
    """memcached(1), which does not serve as root."""
    return ("memcached", "-u", "nobody", "-p", str(PORT), "-t", "1", "-m", "64")


def _keys(scale: float) -> int:
    return max(1, round(1000 * scale))


def operations(scale: float) -> float:
    """The number of requests: each key is set once, and got by each thread."""
    return _keys(scale) * (1 + _THREADS)


def load(address: str, scale: float) -> tuple[str, ...]:
    """memcslap(1), of which each thread waits for an answer before it asks again."""
    return ("memcslap", "-s", f"{address}:{PORT}", "-t", "get", "-c", str(_THREADS), "-e", str(_keys(scale)))


def parse(text: str) -> list[Measurement]:
    """Requests per second; it has no percentiles."""
    count = number(r"^Time to get +(\d+) keys", text, "its number of requests")
    return [Measurement("throughput", "1/s", count / number(r"^Time to get .*: +([\d.]+) seconds", text, "its time"))]


WORKLOAD = Workload(
    "memcached",
    "applications",
    "GET of small values, 4 clients",
    ("memcached", "libmemcached-tools"),
    args,
    parse,
    "throughput",
    port=PORT,
    load=load,
    operations=operations,
)

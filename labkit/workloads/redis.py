"""redis: GET of small values by 50 clients that each wait for an answer, and PING by one, for the network's latency."""

from __future__ import annotations

import csv
from collections.abc import Callable

from labkit.errors import LabkitError
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Load, Workload

PORT = 6379


def args(scale: float) -> tuple[str, ...]:
    """redis-server(1), which keeps nothing on a disk."""
    return ("redis-server", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", "/tmp")


def _requests(count: int) -> Callable[[float], int]:
    return lambda scale: max(1, round(count * scale))


def _load(test: str, requests: Callable[[float], int], clients: int, *options: str) -> Load:
    """redis-benchmark(1)."""

    def load(address: str, scale: float) -> tuple[str, ...]:
        where = ("redis-benchmark", "-h", address, "-p", str(PORT))
        return (*where, "-t", test, "-n", str(requests(scale)), "-c", str(clients), *options)

    return load


def _parse(test: str) -> Callable[[str], list[Measurement]]:
    """Requests per second and percentiles of the latency."""

    def parse(text: str) -> list[Measurement]:
        rows = {row["test"]: row for row in csv.DictReader(text.splitlines()) if row.get("test")}
        try:
            found = [Measurement("throughput", "1/s", float(rows[test]["rps"]))]
            found += [
                Measurement(f"latency_{name}", "s", float(rows[test][f"{name}_latency_ms"]) / 1000)
                for name in ("p50", "p95", "p99")
            ]
            return found
        except (KeyError, ValueError, TypeError) as error:
            raise LabkitError(f"redis-benchmark's table has no {error}", "see the trial's log for all of it") from error

    return parse


_GETS, _PINGS = _requests(4000), _requests(2000)

WORKLOAD = Workload(
    "redis",
    "applications",
    "GET of 3 bytes, 50 clients",
    ("redis-server", "redis-tools"),
    args,
    _parse("GET"),
    "throughput",
    core=True,
    port=PORT,
    load=_load("get", _GETS, 50, "--csv"),
    # The value that is asked for.
    fill=_load("set", _requests(500), 50, "-q"),
    operations=_GETS,
)
PING = Workload(
    "redis-ping",
    "network",
    "round trip of a PING to redis over one TCP connection",
    ("redis-server", "redis-tools"),
    args,
    _parse("PING_MBULK"),
    "latency_p50",
    higher=False,
    core=True,
    port=PORT,
    load=_load("ping_mbulk", _PINGS, 1, "--csv"),
    operations=_PINGS,
)

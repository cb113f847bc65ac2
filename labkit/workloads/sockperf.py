"""Network: how long a small request takes to be answered, over one TCP connection and by UDP.

gVisor refuses the first with EAFNOSUPPORT: the server names an address on its connected socket, which recvfrom(2) has
not filled in, and which Linux ignores there. No option of sockperf's leaves it out; by UDP the address is the client's.
"""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import SCRATCH, Load, Workload, number

PORT = 11111
_PERCENTILES = (
    ("latency_p50", "50.000"),
    ("latency_p75", "75.000"),
    ("latency_p90", "90.000"),
    ("latency_p99", "99.000"),
)


def args(scale: float) -> tuple[str, ...]:
    """sockperf(3) as a server."""
    return ("sockperf", "server", "--tcp", "-p", str(PORT))


def both(scale: float) -> tuple[str, ...]:
    """The server for TCP too, by which it is seen to listen."""
    return ("sockperf", "server", "-f", f"{SCRATCH}/sockets")


def sockets(scratch: str, scale: float) -> None:
    """What that listens on."""
    with open(f"{scratch}/sockets", "w", encoding="ascii") as file:
        file.write(f"T:0.0.0.0:{PORT}\nU:0.0.0.0:{PORT}\n")


def _load(*options: str) -> Load:
    """sockperf(3): one message under way; it counts in whole seconds."""

    def load(address: str, scale: float) -> tuple[str, ...]:
        seconds = str(max(1, round(scale)))
        return ("sockperf", "ping-pong", *options, "-i", address, "-p", str(PORT), "-t", seconds, "--full-rtt")

    return load


def parse(text: str) -> list[Measurement]:
    """Percentiles of the round trip, and how many there were."""
    found = [
        Measurement(name, "s", number(rf"percentile {rank} = +([\d.]+)$", text, f"its percentile {rank}") / 1e6)
        for name, rank in _PERCENTILES
    ]
    mean = number(r"Summary: Round trip is ([\d.]+) usec", text, "its mean")
    # Those of the warm-up, too, were answered.
    answered = number(r"\[Total Run\].* ReceivedMessages=(\d+)", text, "its number of messages")
    return [*found, Measurement("latency_mean", "s", mean / 1e6), Measurement("operations", "1", answered)]


WORKLOAD = Workload(
    "sockperf",
    "network",
    "round trip of 14 bytes over one TCP connection",
    ("sockperf",),
    args,
    parse,
    "latency_p50",
    higher=False,
    port=PORT,
    load=_load("--tcp"),
)
UDP = Workload(
    "sockperf-udp",
    "network",
    "round trip of 14 bytes by UDP",
    ("sockperf",),
    both,
    parse,
    "latency_p50",
    higher=False,
    port=PORT,
    load=_load(),
    files=sockets,
)

"""Network: throughput of one TCP connection, into the sandbox and out of it."""

from __future__ import annotations

import json

from labkit.errors import LabkitError
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Load, Workload

PORT = 5201
# A server that somebody has tried, as a trial does to see whether it listens, closes its socket and makes another. In
# an emulated machine that takes long enough to be met.
_AGAIN = """
for attempt in 1 2 3 4 5 6 7 8 9; do
	said=$("$@"); status=$?
	case $said in *"unable to connect to server"*) sleep 0.3 ;; *) break ;; esac
done
printf '%s\\n' "$said"
exit $status
"""


def args(scale: float) -> tuple[str, ...]:
    """iperf3(1) as a server."""
    return ("iperf3", "-s", "-p", str(PORT))


def _load(*options: str) -> Load:
    def load(address: str, scale: float) -> tuple[str, ...]:
        # Whole seconds, since the runtimes differ by more than a hundred times.
        run = ("iperf3", "-c", address, "-p", str(PORT), "-t", str(max(1, round(scale))), "--json", *options)
        return ("sh", "-c", _AGAIN, "sh", *run)

    return load


def parse(text: str) -> list[Measurement]:
    """The rate at which bytes arrived, the segments sent again, and how many bytes they were (operations)."""
    try:
        end = json.loads(text)["end"]
        return [
            Measurement("throughput", "bytes/s", float(end["sum_received"]["bits_per_second"]) / 8),
            Measurement("retransmits", "1", float(end["sum_sent"]["retransmits"])),
            # In MiB: time of CPU per byte would be below what figures are shown to.
            Measurement("operations", "1", float(end["sum_received"]["bytes"]) / 2**20),
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise LabkitError(f"not a report of iperf3: {text[-160:]!r}", "see the trial's log for all of it") from error


def _workload(name: str, about: str, *options: str) -> Workload:
    load = _load(*options)
    return Workload(name, "network", about, ("iperf3",), args, parse, "throughput", port=PORT, load=load)


WORKLOADS = (
    _workload("iperf3-in", "one TCP connection, into the sandbox"),
    _workload("iperf3-out", "one TCP connection, out of the sandbox", "--reverse"),
)

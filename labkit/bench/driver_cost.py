"""What a driver itself costs per trial: `python -m labkit.bench.driver_cost [RUNTIME …] [ROUNDS]`, as root.

Whole lives of the payload, by turns through the driver and by the same command without it (posix_spawn, waitpid).
Compared is the time that this process runs, since that is all the driver adds to what the runtime does; the differences
of the lives' wall-clock times vary by far more than that.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from labkit.bench.worker import new_id
from labkit.errors import LabkitError
from labkit.runtimes import driver
from labkit.runtimes.oci import OciRuntime
from labkit.workloads import first_instruction, startup

RUNTIMES = ("runc", "crun", "labkit-oci", "runsc-ptrace")
ROUNDS = 20


def compare(runtime: OciRuntime, place: str, rounds: int) -> tuple[float, float]:
    """Medians in ms of this process's own time for one life of the bundle `place`: (by the driver, by hand)."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    stdio = (null, null, null)

    def driven() -> None:
        sandbox = runtime.start(place, new_id(), stdio)
        if sandbox.wait(first_instruction.TIMEOUT):
            raise LabkitError(f"{runtime.name} does not run the payload", "labkit doctor says why")
        sandbox.delete()

    def by_hand() -> None:
        argv = [*command, "run", "--bundle", place, new_id()]
        moves = [(os.POSIX_SPAWN_DUP2, null, number) for number in range(3)]
        os.waitpid(os.posix_spawn(argv[0], argv, os.environ, file_actions=moves), 0)

    try:
        command = runtime.command()
        driven()
        taken = [(_own_time(driven), _own_time(by_hand)) for _ in range(rounds)]
    finally:
        os.close(null)
    return statistics.median(a for a, _ in taken), statistics.median(b for _, b in taken)


def _own_time(work: Callable[[], None]) -> float:
    before = time.process_time_ns()
    work()
    return (time.process_time_ns() - before) / 1e6


def main(words: Sequence[str]) -> int:
    """Print a line for each runtime."""
    rounds = next((int(word) for word in words if word.isdigit()), ROUNDS)
    with tempfile.TemporaryDirectory(prefix="labkit-cost-") as folder:
        place = startup.prepare(folder)
        for name in [word for word in words if not word.isdigit()] or RUNTIMES:
            runtime = driver(name)
            probe = runtime.probe()
            if not isinstance(runtime, OciRuntime) or not probe.available:
                print(f"{name}: not measured, {probe.reason or 'it is no OCI runtime'}")
                continue
            driven, by_hand = compare(runtime, place, rounds)
            print(f"{name}: {driven:.2f} ms, by hand {by_hand:.2f} ms: the driver adds {driven - by_hand:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

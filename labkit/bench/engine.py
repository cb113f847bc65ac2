"""The engine's own benchmark: what labkit is compared with, in which operations, and the ratios that are wanted."""

from __future__ import annotations

from dataclasses import dataclass

from labkit.bench.store import Run
from labkit.bench.work import Progress, work
from labkit.errors import LabkitError

EXPERIMENT = "engine"
DENSITY = "density"
# Containers that are alive at the end of a series of the density experiment, and those counted as its first and its
# last; and how many series there are: the first and the last of one are apart by as much time as a host needs to drift.
ALIVE = 1000
EDGE = 50
SERIES = 6
# How many containers run at a time where the throughput is measured.
AT_A_TIME = 16
# The bare interpreter that `labkit-oci` runs on, to which the start of a verb is compared.
PYTHON = "python"

# The machine of a microVM, which boots the same kernel to its first process, to which the start of a container in one
# is compared.
KERNEL = "kernel"

# mkdir(2) and rmdir(2) of a container's cgroups, without which no engine does.
BARE = "mkdir+rmdir"

# By operation, the labels of what carries it out. A block has each pair once; few have those of an emulated machine.
OPERATIONS = {
    "run": ("labkit", "labkit-oci", "labkit-cli", "crun", "runc", "bwrap", "host"),
    "create-start-delete": ("labkit-oci", "crun", "runc"),
    "state": ("labkit-oci", PYTHON),
    "sixteen": ("labkit", "crun"),
    "cgroups": ("labkit", BARE),
    "sampling": ("labkit",),
    "filter": ("labkit",),
    "security": ("labkit",),
    "boot": ("microvm", KERNEL),
}
RUNTIMES = OPERATIONS["run"]
TREATMENTS = tuple(f"{operation}.{runtime}" for operation, runtimes in OPERATIONS.items() for runtime in runtimes)


@dataclass(frozen=True, slots=True)
class Target:
    """The ratio that is wanted of a metric of `runtime` to that of `baseline`: `bound` at most, or at least.

    Where `allowed` is not 0, `baseline` only names it: a fixed value in the metric's unit takes its place.
    """

    what: str
    metric: str
    runtime: str
    baseline: str
    bound: float
    at_least: bool = False
    allowed: float = 0.0

    def met(self, ratio: float) -> bool:
        """Whether a ratio is as wanted."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound


TARGETS = (
    Target("start to exit, through Python", "whole_life", "labkit", "crun", 0.6),
    Target("run", "whole_life", "labkit-oci", "runc", 0.75),
    Target("run", "whole_life", "labkit-oci", "crun", 2.2),
    Target("create, start, delete", "create_start_delete", "labkit-oci", "runc", 1.2),
    Target("state", "state", "labkit-oci", PYTHON, 1.5),
    Target("containers per second, 16 at a time", "throughput", "labkit", "crun", 1.3, at_least=True),
    Target("cgroups set up and torn down, v1", "cgroups_v1", "labkit", "0.6 ms", 1.0, allowed=0.6e-3),
    Target("cgroups set up and torn down, v2", "cgroups_v2", "labkit", "0.3 ms", 1.0, allowed=0.3e-3),
    Target("50 containers read at 10 Hz", "sampling", "labkit", "1 % of a CPU", 1.0, allowed=0.01),
    Target("default filter, compiled", "filter_compiled", "labkit", "20 ms", 1.0, allowed=20e-3),
    Target("default filter, from the cache", "filter_cached", "labkit", "0.3 ms", 1.0, allowed=0.3e-3),
    Target("default security, added to a start", "security_adds", "labkit", "0.7 ms", 1.0, allowed=0.7e-3),
    Target("asked for to the first instruction, in a VM", "boot", "microvm", KERNEL, 1.5),
)


def measure(run: Run, rounds: int, seed: int = 1, progress: Progress | None = None) -> None:
    """Run blocks until `run` has `rounds` complete ones; what is not available is recorded with its reason."""
    if rounds < 1:
        raise LabkitError("nothing to measure: no rounds", "give at least one")
    work("labkit.bench.engine_worker", run, {"rounds": rounds, "seed": seed}, progress)


def measure_density(run: Run, progress: Progress | None = None, alive: int = ALIVE, series: int = SERIES) -> None:
    """Have `alive` containers at once, time and again until `run` holds so many `series`."""
    work("labkit.bench.density_worker", run, {"alive": alive, "series": series}, progress)

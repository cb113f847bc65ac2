"""Isolation, measured: what is visible and possible in a runtime's sandbox, and how much of the host's kernel it uses.

Three things, of every runtime in the same bundle:

    probe       what the probe can see and do inside, counted by area (labkit.workloads.probe)
    attempts    which attempts to reach what is the host's are stopped (labkit.workloads.attempts)
    workloads   while the same program runs, the distinct system calls that all processes of the sandbox make on the
                host, and the distinct functions of the host's kernel that run for them

A system call is counted when the host's kernel begins to carry it out: one that a filter refuses, or that gVisor's
sentry answers in its stead, is none. Fewer of them is less of the kernel that an error can be in, which is no proof of
safety: it is a size, not a verdict. What a runtime does to set a sandbox up is not counted, nor what its daemons do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from labkit.bench import study
from labkit.bench.declaration import Declaration, check
from labkit.bench.startup import AGAIN
from labkit.bench.store import Run
from labkit.bench.work import Progress, work

EXPERIMENT = "isolation"
LABELS = tuple(label for label in study.LABELS if label != AGAIN)
PROBE, ATTEMPTS, PAYLOAD, SHELL = "probe", "attempts", "payload", "shell"
# What needs no image but busybox's.
SMALL = (PAYLOAD, SHELL)
# Metrics: numbers of distinct system calls and kernel functions, of all calls, and after the first the calls of a name.
CALLS, FUNCTIONS, ALL_CALLS, CALL = "host_syscalls", "host_functions", "host_syscalls_made", "call "
OPEN, CLOSED, STOPPED, STOPS = "open", "closed", "attempts_stopped", "stops "
# Who lacks a tracer that is not available: no runtime does.
CALL_TRACER, FUNCTION_TRACER = "system-call tracer", "function tracer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation(Declaration):
    """The probe and the attempts once under each treatment, `blocks` of each small workload and of those named."""

    labels: Sequence[str] = LABELS
    blocks: int


def measure(run: Run, declared: Isolation, progress: Progress | None = None) -> None:
    """Run what `run` lacks of what is declared.

    Raises LabkitError when nothing can be measured; a trial that fails is recorded, and the run goes on.
    """
    check(declared.workloads, declared.blocks)
    work("labkit.bench.isolation_worker", run, asdict(declared), progress)

"""Every workload of the study, in the order in which tables and figures show them."""

from __future__ import annotations

from labkit.errors import LabkitError
from labkit.workloads import (
    calls,
    compiling,
    empty,
    ffmpeg,
    fio,
    iperf3,
    memcached,
    nginx,
    openssl,
    postgresql,
    python,
    redis,
    sockperf,
    sqlite,
    stress_ng,
    sysbench_cpu,
    sysbench_memory,
    triad,
    zstd,
)
from labkit.workloads.workload import Workload

WORKLOADS = (
    empty.WORKLOAD,
    *calls.WORKLOADS,
    *stress_ng.SYSCALLS,
    sysbench_cpu.WORKLOAD,
    openssl.WORKLOAD,
    sysbench_memory.WORKLOAD,
    triad.WORKLOAD,
    *stress_ng.MEMORY,
    *fio.WORKLOADS,
    *iperf3.WORKLOADS,
    redis.PING,
    sockperf.WORKLOAD,
    sockperf.UDP,
    redis.WORKLOAD,
    nginx.WORKLOAD,
    memcached.WORKLOAD,
    postgresql.WORKLOAD,
    sqlite.WORKLOAD,
    python.WORKLOAD,
    compiling.WORKLOAD,
    zstd.WORKLOAD,
    ffmpeg.WORKLOAD,
)


def chosen(names: tuple[str, ...]) -> tuple[Workload, ...]:
    """The workloads of these names; all for none. Raises LabkitError for a name that is none."""
    known = {workload.name: workload for workload in WORKLOADS}
    for name in names:
        if name not in known:
            raise LabkitError(f"unknown workload {name!r}", f"the workloads are {', '.join(known)}", 2)
    return tuple(known[name] for name in names) or WORKLOADS


def image(workloads: tuple[Workload, ...] = WORKLOADS) -> str:
    """The one image that has the programs of all these workloads."""
    packages = sorted({package for workload in workloads for package in workload.packages})
    return "+".join(("debian", *packages))

"""Where the workloads of the study are run: in which files, and on which CPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from labkit.bench.worker import tell
from labkit.images import image
from labkit.workloads import all as every


@dataclass(frozen=True, slots=True)
class Place:
    """The image's root filesystem, a folder for what trials write, their scale, and who has which CPUs."""

    rootfs: str
    folder: str
    scale: float
    sandbox_cpus: frozenset[int]
    load_cpus: frozenset[int]


def built() -> str:
    """The root filesystem of the workloads, built where it is not there yet, which takes minutes."""
    tell(0, 0, "building the image of the workloads")
    return os.fspath(image(every.image()))


def place(rootfs: str, folder: str, scale: float) -> Place:
    """The load, and the process that measures, have the last CPU to themselves where there is more than one."""
    cpus = sorted(os.sched_getaffinity(0))
    sandboxes, load = (cpus[:-1], cpus[-1:]) if len(cpus) > 1 else (cpus, cpus)
    return Place(rootfs, folder, scale, frozenset(sandboxes), frozenset(load))

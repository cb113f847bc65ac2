"""What a trial uses: everything that a sandbox causes is made below one cgroup, and read from there.

The runtime's own processes are born in it, with those that they start, and the sandbox's own cgroup is below it, so
that the kernel adds up sentry, gofer, monitor, virtual machine and payload, also those that have ended. What lives
longer than a trial (a daemon, the spawner of labkit's engine) is not in it.

Source: the kernel's Documentation/admin-guide/cgroup-v1/{cpuacct,memory}.rst and cgroup-v2.rst.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from labkit.cgroups.detect import Hierarchy, Layout, detect
from labkit.linux.cgroupfs import remove_cgroup
from labkit.linux.proc import read_file
from labkit.workloads.measurement import Measurement

PREFIX = "labkit-trial-"
_READ = ("cpuacct", "memory")


class Account:
    """The cgroup of one trial; a context, at whose end it is removed with all that is in it."""

    def __init__(self, id: str) -> None:
        self.name = f"{PREFIX}{id}"
        # What a bundle asks for as its cgroupsPath.
        self.path = f"/{self.name}/{id}"
        self._layout = detect()
        self._trees = _counted(self._layout)

    def __enter__(self) -> Account:
        try:
            for tree in self._trees:
                # On v2 a cgroup that hands its controllers down has no processes of its own: those are one level below.
                os.makedirs(f"{tree.mount}/{self.name}/harness")
        except BaseException:
            # Also an interrupt between two of them, after which nobody calls __exit__.
            remove(self._layout, self.name)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        remove(self._layout, self.name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be in the cgroup meanwhile, so that whatever this process starts is born there."""
        before = {tree.mount: tree.path for tree in self._trees}
        for tree in self._trees:
            _write(f"{tree.mount}/{self.name}/harness/cgroup.procs", "0")
        try:
            yield
        finally:
            for tree in self._trees:
                _write(f"{before[tree.mount]}/cgroup.procs", "0")

    def cpu(self) -> tuple[float, float]:
        """The seconds of CPU used so far, in user and in kernel mode.

        Their sum is exact; on v1 its parts are counted by the timer's ticks, and scaled to it here.
        """
        for tree in self._trees:
            folder = f"{tree.mount}/{self.name}"
            if tree.version == 2:
                stat = _table(f"{folder}/cpu.stat")
                return stat["user_usec"] / 1e6, stat["system_usec"] / 1e6
            if "cpuacct" in tree.controllers:
                whole, user, system = (
                    int(read_file(f"{folder}/cpuacct.{name}")) / 1e9 for name in ("usage", "usage_user", "usage_sys")
                )
                # What ran for less than a tick was mostly being started, by the kernel.
                part = user / (user + system) if user + system else 0.0
                return whole * part, whole * (1 - part)
        return float("nan"), float("nan")

    def memory_now(self) -> float:
        """The bytes of memory that are charged to it now; NaN where there is no memory controller."""
        for tree in self._trees:
            if "memory" in tree.controllers:
                file = "memory.usage_in_bytes" if tree.version == 1 else "memory.current"
                return float(read_file(f"{tree.mount}/{self.name}/{file}"))
        return float("nan")

    def memory(self) -> list[Measurement]:
        """The most memory at any time, and the page faults so far, where the memory controller is there."""
        for tree in self._trees:
            if "memory" in tree.controllers:
                folder = f"{tree.mount}/{self.name}"
                peak = "memory.max_usage_in_bytes" if tree.version == 1 else "memory.peak"
                found = []
                if os.path.exists(f"{folder}/{peak}"):
                    found.append(Measurement("memory_peak", "bytes", float(read_file(f"{folder}/{peak}"))))
                stat = _table(f"{folder}/memory.stat")
                faults = stat.get("total_pgfault", stat.get("pgfault"))
                return found if faults is None else [*found, Measurement("page_faults", "1", float(faults))]
        return []


def remove_forgotten() -> None:
    """Remove what a measuring process left that was killed; only one measures at a time, so none is in use."""
    layout = detect()
    for name in {name for tree in layout.hierarchies for name in os.listdir(tree.mount) if name.startswith(PREFIX)}:
        remove(layout, name)


def remove(layout: Layout, name: str) -> None:
    """Remove the cgroup in every tree, since a runtime makes its parents there too, with all processes in it."""
    for tree in layout.hierarchies:
        remove_cgroup(f"{tree.mount}/{name}")
        # runsc makes plain folders for v1 controllers that are not mounted, in the tmpfs beside the trees.
        if tree.version == 1:
            beside = os.path.dirname(tree.mount)
            for other in os.listdir(beside):
                left = f"{beside}/{other}/{name}"
                if os.path.isdir(left) and not os.path.exists(f"{left}/cgroup.procs"):
                    shutil.rmtree(left)


def _counted(layout: Layout) -> list[Hierarchy]:
    """The trees that are read, each once."""
    trees: list[Hierarchy] = []
    for controller in _READ:
        tree = layout.of(controller)
        if tree is None and controller == "cpuacct":
            # On v2 every cgroup has its time, whatever controllers there are.
            tree = layout.v2()
        if tree is not None and tree not in trees:
            trees.append(tree)
    return trees


def _table(path: str) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in read_file(path).splitlines())}


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)

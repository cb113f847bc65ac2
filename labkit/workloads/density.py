"""Many containers alive at once: what each costs to start, and which processes it takes to keep them."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes.labkit import Labkit
from labkit.workloads.measurement import Measurement

# Descriptors that one container takes in this process, and some to spare.
_DESCRIPTORS = 2
_SPARE = 200
TIMEOUT = 60.0


def keep(place: str, ids: list[str], log: int, told: Callable[[int], None]) -> tuple[list[float], list[Measurement]]:
    """Start a container of the bundle `place` for each id and keep all; then end them.

    Returns the seconds that each start took, in their order, and of the processes other than the containers' own how
    many there are and their memory (PSS, proc_pid_smaps(5)). A container stays because its stdout is a full pipe.
    `told` is called with the number of those that live.
    """
    _allow(len(ids) * _DESCRIPTORS + _SPARE)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    runtime, starts, own, sandboxes = Labkit(), [], set(), []
    with ExitStack() as stack:
        for descriptor in (writing, null):
            stack.callback(os.close, descriptor)
        reader = stack.enter_context(open(reading, "rb", buffering=0))
        _fill(writing)
        for number, id in enumerate(ids):
            told(number)
            sandbox = runtime.start(place, id, (null, writing, log))
            stack.callback(sandbox.delete)
            starts.append((time.monotonic_ns() - sandbox.asked) / 1e9)
            own.add(sandbox.container.pid)
            sandboxes.append(sandbox)
        others = descendants(os.getpid(), _parents()) - own
        if not own <= _parents().keys():
            raise LabkitError("containers ended before they were counted", "see the trial's log")
        counted = [
            Measurement("other_processes", "1", float(len(others))),
            Measurement("other_memory", "bytes", float(sum(pss(pid) for pid in others))),
        ]
        # Where nobody reads, the write fails, and the program goes on to its end.
        reader.close()
        for sandbox in sandboxes:
            sandbox.wait(TIMEOUT)
        return starts, counted


def _allow(descriptors: int) -> None:
    """Let this process, and what it starts, have so many open files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < descriptors:
        raise LabkitError(f"at most {hard} files can be open here, {descriptors} are needed", "raise it: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _fill(writing: int) -> None:
    """Fill a pipe to its last byte, so that the next write(2) waits."""
    os.set_blocking(writing, False)
    # A page at a time, since a pipe counts pages (pipe(7)); then what a page leaves.
    for piece in (bytes(4096), payload.OUTPUT):
        try:
            while True:
                os.write(writing, piece)
        except BlockingIOError:
            pass
    os.set_blocking(writing, True)


def _parents() -> dict[int, int]:
    """The parent of each process there is (proc_pid_stat(5))."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    found[int(name)] = int(file.read().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def descendants(ancestor: int, parents: dict[int, int]) -> set[int]:
    """All processes below `ancestor`, from the parent of each."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    todo = [ancestor]
    while todo:
        below = children.get(todo.pop(), [])
        found.update(below)
        todo += below
    return found


def pss(pid: int) -> int:
    """The memory of a process in bytes, pages that it shares counted by their part (proc_pid_smaps_rollup)."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))

"""What the processes of a sandbox do on the host: their system calls, or the kernel's functions that run for them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from labkit.bench.isolation import ALL_CALLS, CALL, CALLS, FUNCTIONS
from labkit.errors import LabkitError
from labkit.linux import tracefs
from labkit.linux.libseccomp import syscall_name
from labkit.runtimes import Runtime
from labkit.workloads.measurement import Measurement

# The buffers of one CPU, in KiB; they are emptied all the time. A function is traced some million times a second.
_CALLS_BUFFER, _FUNCTIONS_BUFFER = 16 << 10, 64 << 10
# Of an event's common_flags: it was in an interrupt, which is nobody's of those that it interrupts.
_INTERRUPT = 0x08 | 0x10 | 0x40
# How often tasks are looked for anew until no more come.
_LOOKS = 20


@dataclass(slots=True)
class Heard:
    """What was traced: by the number of a call, or a function's address, how often; `lost` events are missing."""

    counts: Counter[int] = field(default_factory=Counter)
    lost: int = 0


@contextmanager
def heard(instance: tracefs.Instance, runtime: Runtime, id: str, functions: bool = False) -> Iterator[Heard]:
    """Trace every process of the sandbox `id`, and what they start, while the context lasts.

    Raises LabkitError when the sandbox has no process any more.
    """
    found = Heard()
    _follow(instance, runtime, id, functions)
    with instance.on() as trace:
        yield found
    for record in trace.records():
        if functions and record[2] & _INTERRUPT:
            continue
        found.counts[int.from_bytes(record[8:16], "little", signed=not functions)] += 1
    found.lost = trace.lost


def _follow(instance: tracefs.Instance, runtime: Runtime, id: str, functions: bool) -> None:
    """Follow all threads that are there; what comes meanwhile is made by one of these, or found by a next look."""
    known: set[int] = set()
    own = set(_tasks(os.getpid()))
    for _ in range(_LOOKS):
        processes = [process.pid for process in runtime.host_processes(id) if not process.shared]
        new = {task for pid in processes for task in _tasks(pid)} - known - own
        if not new:
            break
        instance.follow(sorted(new), functions)
        known |= new
    if not known:
        raise LabkitError("the sandbox had no process to follow", "see the trial's log")


def _tasks(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def calls_measured(found: Heard) -> list[Measurement]:
    """The number of distinct calls, of all, and by name. Raises LabkitError when events were lost."""
    if found.lost:
        raise LabkitError(f"{found.lost} system calls were lost: the buffer was full", "run fewer programs beside it")
    names: Counter[str] = Counter()
    for number, count in found.counts.items():
        names[syscall_name(0, number) or f"number {number}"] += count
    return [
        Measurement(CALLS, "1", float(len(names))),
        Measurement(ALL_CALLS, "1", float(names.total())),
        *(Measurement(f"{CALL}{name}", "1", float(count)) for name, count in sorted(names.items())),
    ]


def functions_measured(found: Heard) -> list[Measurement]:
    """The number of distinct functions, and what part of the events was lost: with any, it is a lower bound."""
    events = found.counts.total() + found.lost
    return [
        Measurement(FUNCTIONS, "1", float(len(found.counts))),
        Measurement(f"{FUNCTIONS}_lost", "1", found.lost / events if events else 0.0),
    ]


def calls_traced(name: str) -> tracefs.Instance:
    """An instance for system calls."""
    return tracefs.Instance(name, _CALLS_BUFFER)


def functions_traced(name: str) -> tracefs.Instance:
    """An instance for functions."""
    return tracefs.Instance(name, _FUNCTIONS_BUFFER)


def lacking() -> tuple[str, str]:
    """Why system calls, and why functions, cannot be traced on this host; "" where they can.

    tracefs is attached for this process (see tracefs.attach), which is to have a mount namespace of its own.
    """
    try:
        tracefs.attach()
        tracefs.remove_forgotten()
    except OSError as error:
        reason = f"tracefs cannot be used: {error.strerror}"
        return reason, reason
    return _why_not(False), _why_not(True)


def _why_not(functions: bool) -> str:
    try:
        with tracefs.Instance(f"try-{os.getpid()}", 64) as instance:
            instance.functions() if functions else instance.calls()
    except OSError as error:
        what = os.path.basename(error.filename or "tracefs")
        return f"the kernel does not let it be used: {what}: {error.strerror}"
    return ""

"""What each part of a sandbox uses, by its processes on the host: memory, time, switches between programs.

The cgroup of the trial has the sums (see account); this tells sentry from gofer and machine from payload. A process
that ends between two looks is missing here, never there.

Source: proc_pid_status(5), proc_pid_stat(5), proc_pid_smaps_rollup(5).
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from labkit.errors import LabkitError
from labkit.linux.proc import read_file
from labkit.runtimes import Runtime, host_process
from labkit.workloads.measurement import Measurement

# When to look first, and at which intervals at least, in s.
_FIRST, _NEXT = 0.6, 1.0
# A look reads some hundred small files, and more of a sandbox of many processes. So much of one CPU may that take.
_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Part:
    """What the processes of one role have used so far: memory in bytes (PSS), time in s, switches, faults."""

    memory: int = 0
    cpu: float = 0.0
    voluntary: int = 0
    involuntary: int = 0
    processes: int = 0


def snapshot(runtime: Runtime, id: str) -> dict[str, Part]:
    """The parts of a sandbox by role; those that serve other sandboxes too are not its own and left out."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for process in runtime.host_processes(id):
        if process.shared:
            continue
        voluntary, involuntary = _switches(process.pid)
        figures = (host_process.pss(process.pid), host_process.cpu_seconds(process.pid), voluntary, involuntary, 1)
        for place, figure in enumerate(figures):
            sums[process.role][place] += figure
    return {
        role: Part(int(memory), cpu, int(voluntary), int(involuntary), int(count))
        for role, (memory, cpu, voluntary, involuntary, count) in sums.items()
    }


def between(before: Mapping[str, Part], after: Mapping[str, Part]) -> list[Measurement]:
    """What was used between two snapshots, by role and in all; the memory and the processes are those of the second."""
    found = []
    for role, part in sorted(after.items()):
        earlier = before.get(role, Part())
        found.append(Measurement(f"cpu_{role}", "s", max(0.0, part.cpu - earlier.cpu)))
        found.append(Measurement(f"memory_{role}", "bytes", float(part.memory)))
    switches = {
        "switches_voluntary": sum(part.voluntary for part in after.values())
        - sum(part.voluntary for part in before.values()),
        "switches_involuntary": sum(part.involuntary for part in after.values())
        - sum(part.involuntary for part in before.values()),
    }
    found += [Measurement(name, "1", float(max(0, value))) for name, value in switches.items()]
    found.append(Measurement("memory", "bytes", float(sum(part.memory for part in after.values()))))
    found.append(Measurement("processes", "1", float(sum(part.processes for part in after.values()))))
    return found


@dataclass(slots=True)
class Watched:
    """The parts of a sandbox at the last look, and the most memory at any."""

    last: dict[str, Part] = field(default_factory=dict)
    most: int = 0

    def look(self, runtime: Runtime, id: str) -> None:
        """Look once; what is not there any more is remembered as it was."""
        found = snapshot(runtime, id)
        if found:
            self.last = found
            self.most = max(self.most, sum(part.memory for part in found.values()))

    def measured(self) -> list[Measurement]:
        """What was seen; nothing of a sandbox that was gone before the first look."""
        if not self.last:
            return []
        found = [one for one in between({}, self.last) if one.metric != "memory"]
        return [*found, Measurement("memory", "bytes", float(self.most))]


@contextmanager
def watching(runtime: Runtime, id: str) -> Iterator[Watched]:
    """Look at a sandbox from a thread of this process while the context lasts."""
    watched, over = Watched(), threading.Event()

    def watch() -> None:
        pause = _FIRST
        while not over.wait(pause):
            begun = time.thread_time()
            try:
                watched.look(runtime, id)
            except (LabkitError, OSError):
                # What was being read is going away; the trial itself finds out whether that is right.
                pass
            pause = pause_after(time.thread_time() - begun)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield watched
    finally:
        over.set()
        thread.join()


def pause_after(taken: float) -> float:
    """How long not to look again, in s, after a look that took so many seconds of CPU."""
    return max(_NEXT, taken / _SHARE)


def _switches(pid: int) -> tuple[int, int]:
    """How often all its threads have given up their CPU, and how often it was taken; (0, 0) when it is gone.

    The file of the process has these two of its first thread alone; gVisor's and QEMU's work is done by others.
    """
    voluntary = involuntary = 0
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            lines = read_file(f"/proc/{pid}/task/{thread}/status").splitlines()
            # They are the file's last two lines.
            voluntary += int(lines[-2].split()[1])
            involuntary += int(lines[-1].split()[1])
    except OSError:
        pass  # What has ended meanwhile is not counted; see above.
    return voluntary, involuntary

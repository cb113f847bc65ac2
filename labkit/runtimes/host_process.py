"""The processes on the host that a sandbox causes, found by its id: for their memory, their time, and to end them.

Four traces of an id are read, since no runtime leaves them all:

    cgroup          the process is in a cgroup of the sandbox (cgroup.procs), or below one
    command line    one of its arguments has the id, and the program is one that the driver knows
    environment     its environment has LABKIT_SANDBOX=ID, which the driver gives to what it starts
    state file      a file that the runtime keeps for the sandbox has the pid

A process that a found one has made, and that moved elsewhere, is found as its child; the tree alone decides nothing,
since a monitor is a child of whoever reaps orphans.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from labkit.cgroups import processes
from labkit.errors import LabkitError
from labkit.linux.proc import read_file

VARIABLE = "LABKIT_SANDBOX"
_DEADLINE = 10.0
# How an id is parted from the rest of an argument: `source=/run/…/ID/shared`, `sandbox-ID,debug-threads=on`.
_SEPARATORS = bytes.maketrans(b"=/,:", b"\0\0\0\0")


@dataclass(frozen=True, slots=True)
class HostProcess:
    """One process: its pid on the host, its part (`payload`, `runtime`, `monitor`, `sentry` …), and the trace of it.

    `shared` says that it serves other sandboxes too, so that its cost is not this one's alone.
    """

    pid: int
    role: str
    found_by: str
    shared: bool = False


def find(
    id: str,
    cgroups: Iterable[str] = (),
    roles: Mapping[str, str] = {},
    marks: Iterable[str] = (),
    member: str = "payload",
    pids: Mapping[int, str] = {},
    variable: str = VARIABLE,
) -> list[HostProcess]:
    """The processes of the sandbox `id`, by pid.

    `roles` has by a program's name, in argv[0], its part; `marks` are words besides the id that name the sandbox on a
    command line; `member` is the part of those in its cgroups of which nothing else is known; `pids` are known by a
    state file; `variable` is the one that has the id in their environment.
    """
    wanted = {mark.encode() for mark in (id, *marks)}
    carried = f"{variable}={id}".encode()
    named: dict[int, HostProcess] = {}
    carrying: dict[int, HostProcess] = {}
    known: dict[int, str] = {}
    parents: dict[int, int] = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            arguments = _read(pid, "cmdline").split(b"\0")
            # Not those who ask, or test: this process, and one that was given the id to look for.
            role = known[pid] = roles.get(os.path.basename(arguments[0]).decode(errors="replace"), "")
            if pid != os.getpid():
                if role and wanted & _words(arguments[1:]):
                    named[pid] = HostProcess(pid, role, "command line")
                elif carried in _read(pid, "environ").split(b"\0"):
                    carrying[pid] = HostProcess(pid, role, "environment")
            state, parents[pid] = _state_and_parent(pid)
            if state in "ZX":
                # It has ended; what remains is for its parent to see.
                del parents[pid]
        except OSError:
            continue  # It has ended meanwhile, or belongs to another user.
    members = {
        pid: HostProcess(pid, known[pid] or member, "cgroup") for pid in processes.pids(list(cgroups)) if pid in parents
    }
    recorded = {pid: HostProcess(pid, role, "state file") for pid, role in pids.items() if pid in parents}
    carrying = {pid: one if one.role else HostProcess(pid, member, one.found_by) for pid, one in carrying.items()}
    found = carrying | members | recorded | named
    return [found[pid] for pid in sorted(_with_children(found, parents, member))]


def end(find: Callable[[], Iterable[HostProcess]]) -> None:
    """SIGKILL for each process of the sandbox's own that `find` gives, until it gives none any more.

    Again and again, since one may be forked while the others are looked for. Raises LabkitError when they do not end.
    """
    deadline = time.monotonic() + _DEADLINE
    while own := [process.pid for process in find() if not process.shared]:
        if time.monotonic() > deadline:
            raise LabkitError(f"process {own[0]} does not end", f"see: cat /proc/{own[0]}/stack")
        for pid in own:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # It has ended meanwhile.
        time.sleep(0.001)


def pss(pid: int) -> int:
    """Its memory in bytes with a page that n share counted as 1/n of it (proc(5), smaps_rollup); 0 when it is gone.

    Never the resident set: a guest and its helpers have the same pages.
    """
    try:
        text = read_file(f"/proc/{pid}/smaps_rollup")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


def cpu_seconds(pid: int) -> float:
    """The time it has run in user and kernel mode (proc(5), stat, fields 14 and 15); 0 when it is gone."""
    try:
        fields = read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _with_children(found: dict[int, HostProcess], parents: Mapping[int, int], role: str) -> dict[int, HostProcess]:
    """Add the descendants of `found`, in place, and give it back."""
    new = True
    while new:
        new = False
        for pid, parent in parents.items():
            if parent in found and pid not in found:
                found[pid] = HostProcess(pid, role, f"child of {parent}")
                new = True
    return found


def _words(arguments: Iterable[bytes]) -> set[bytes]:
    return {word for argument in arguments for word in argument.translate(_SEPARATORS).split(b"\0")} | set(arguments)


def _read(pid: int, file: str) -> bytes:
    with open(f"/proc/{pid}/{file}", "rb") as opened:
        return opened.read()


def _state_and_parent(pid: int) -> tuple[str, int]:
    fields = read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[0], int(fields[1])

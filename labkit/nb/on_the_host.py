"""What exists on the host while one program sleeps in a sandbox: its processes, namespaces, cgroups and mounts."""

import os
import select
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

import pandas as pd
from IPython.display import display

from labkit.errors import LabkitError
from labkit.linux.libseccomp import syscall_name
from labkit.nb.displays import say, table
from labkit.runtimes import ENGINES, Runtime, bundle, driver, host_process
from labkit.runtimes.host_process import HostProcess
from labkit.runtimes.trial_run import last_words_in

SCRIPT = "echo up; exec sleep 1000"
_DEADLINE = 120.0
COLUMNS = ("runtime", "process", "part", "found_by", "threads", "memory", "waits_in", "namespaces", "pid", "parent")


@dataclass(frozen=True, slots=True)
class Seen:
    """One runtime's sandbox as the host has it; `reason` says in one line why there is nothing to see.

    `rows` is one for each process, with COLUMNS: `memory` in MiB of PSS (a page that n processes share is 1/n in each),
    `waits_in` the system call that its first thread is in, `namespaces` the kinds in which it is not in the host's.
    """

    runtime: str
    reason: str = ""
    rows: list[dict[str, object]] = field(default_factory=list)
    cgroups: tuple[str, ...] = ()
    mounts: int = 0
    unattributed: tuple[str, ...] = ()


def look(names: Iterable[str], rootfs: str | os.PathLike[str]) -> list[Seen]:
    """Run the script in each runtime, one after the other, and look."""
    with tempfile.TemporaryDirectory(prefix="labkit-look-") as folder:
        return [_look(name, os.fspath(rootfs), folder) for name in names]


def _look(name: str, rootfs: str, folder: str) -> Seen:
    try:
        runtime = driver(name)
        probe = runtime.probe()
        if not probe.available:
            return Seen(name, f"{probe.reason} ({probe.remedy})")
        try:
            return _while_it_sleeps(runtime, rootfs, folder)
        finally:
            if name in ENGINES:
                runtime.cool()
    except LabkitError as error:
        return Seen(name, str(error))


def _while_it_sleeps(runtime: Runtime, rootfs: str, folder: str) -> Seen:
    id = f"labkit-look-{os.urandom(4).hex()}"
    os.chmod(folder, 0o755)
    place = bundle.write(f"{folder}/{id}", bundle.spec(rootfs, ("/bin/sh", "-c", SCRIPT)))
    reading, writing = os.pipe2(os.O_CLOEXEC)
    null, log = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), tempfile.TemporaryFile()
    try:
        sandbox = runtime.start(place, id, (null, writing, log.fileno()))
        os.close(writing)
        writing = -1
        try:
            if not select.select([reading], [], [], _DEADLINE)[0] or os.read(reading, 3) != b"up\n":
                raise LabkitError(
                    f"{runtime.name} did not run the program: {last_words_in(log.fileno())}", "labkit doctor says why"
                )
            found = runtime.host_processes(id)
            return Seen(
                runtime.name,
                rows=[row(runtime.name, process) for process in found],
                cgroups=tuple(runtime.cgroups(id)),
                mounts=_mounts(found),
                unattributed=runtime.unattributed,
            )
        finally:
            sandbox.delete()
    finally:
        log.close()
        for descriptor in (reading, null, writing):
            if descriptor >= 0:
                os.close(descriptor)


def row(runtime: str, process: HostProcess) -> dict[str, object]:
    """What procfs says of one process; what cannot be read is empty."""
    status = dict(line.split(":\t", 1) for line in _text(process.pid, "status").splitlines() if ":\t" in line)
    return {
        "runtime": runtime,
        "process": _name(process.pid) or status.get("Name", "gone"),
        "part": f"{process.role} (shared)" if process.shared else process.role,
        "found_by": process.found_by,
        "threads": int(status.get("Threads", 0)),
        "memory": host_process.pss(process.pid) / 2**20,
        "waits_in": _system_call(process.pid),
        "namespaces": ", ".join(_own_namespaces(process.pid)),
        "pid": process.pid,
        "parent": int(status.get("PPid", 0)),
    }


def tree(seen: Seen) -> pd.DataFrame:
    """The processes in the order of their tree, each indented below the one that made it."""
    by_parent: dict[object, list[dict[str, object]]] = {}
    pids = {one["pid"] for one in seen.rows}
    for one in seen.rows:
        by_parent.setdefault(one["parent"] if one["parent"] in pids else 0, []).append(one)
    ordered: list[dict[str, object]] = []

    def add(parent: object, depth: int) -> None:
        for one in by_parent.get(parent, ()):
            indent = "\u2003" * (depth - 1) + "└ " * bool(depth)
            ordered.append(one | {"process": f"{indent}{one['process']}", "memory": f"{one['memory']:.1f} MiB"})
            add(one["pid"], depth + 1)

    add(0, 0)
    frame = pd.DataFrame(ordered, columns=list(COLUMNS))
    return frame.drop(columns=["runtime", "pid", "parent"])


def summary(all_seen: Iterable[Seen]) -> pd.DataFrame:
    """A row for each runtime: how many processes, threads, MiB, namespaces, cgroups and mounts its sandbox makes."""
    rows: list[dict[str, object]] = []
    for seen in all_seen:
        if seen.reason:
            rows.append({"runtime": seen.runtime, "not shown, since": seen.reason})
            continue
        kinds = {kind for one in seen.rows for kind in str(one["namespaces"]).split(", ") if kind}
        rows.append(
            {
                "runtime": seen.runtime,
                "processes": len(seen.rows),
                "threads": sum(int(str(one["threads"])) for one in seen.rows),
                "memory (MiB)": round(sum(float(str(one["memory"])) for one in seen.rows), 1),
                "namespaces": len(kinds),
                "cgroups": len(seen.cgroups),
                "mounts inside": seen.mounts,
            }
        )
    # Whole numbers stay so where some are missing; what is missing is empty.
    made = pd.DataFrame(rows).convert_dtypes().astype(object)
    return made.where(made.notna(), "")


def show_trees(all_seen: Iterable[Seen], *kinds: str) -> None:
    """The tree of each runtime whose name begins with one of `kinds`, or why there is none."""
    for seen in all_seen:
        if seen.runtime.startswith(kinds):
            say(f"**{seen.runtime}**" + (f" cannot be shown here: {escape(seen.reason)}" if seen.reason else ""))
            if seen.rows:
                display(table(tree(seen)))


def costs(all_seen: Iterable[Seen]) -> pd.DataFrame:
    """A row for each cost that a driver cannot attribute."""
    rows = [(seen.runtime, cost) for seen in all_seen for cost in seen.unattributed]
    return pd.DataFrame(rows, columns=["runtime", "cost"])


def frame(all_seen: Iterable[Seen]) -> pd.DataFrame:
    """The processes of all runtimes, with COLUMNS."""
    return pd.DataFrame([one for seen in all_seen for one in seen.rows], columns=list(COLUMNS))


def _name(pid: int) -> str:
    """What a process calls itself by its first argument: gVisor's parts all have one file."""
    return os.path.basename(_text(pid, "cmdline").partition("\0")[0])


def _own_namespaces(pid: int) -> list[str]:
    """The kinds of namespace in which a process is not where process 1, or where it is not to be read this one, is."""
    own = []
    for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"):
        try:
            if os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
                own.append(kind)
        except OSError:
            pass  # It has ended, or is another user's.
    return own


def _system_call(pid: int) -> str:
    """The name of the system call that the first thread is in (proc(5), syscall); "" when it is in none."""
    number = _text(pid, "syscall").split(" ")[0].strip()
    # -1 is a thread that is stopped outside of any call, by a tracer for one.
    return syscall_name(0, int(number)) if number.isdigit() else "none" if number == "-1" else ""


def _mounts(found: Iterable[HostProcess]) -> int:
    """How many mounts the process with the most own namespaces sees: the payload, or what stands for it."""
    inside = max(found, key=lambda process: len(_own_namespaces(process.pid)), default=None)
    return len(_text(inside.pid, "mountinfo").splitlines()) if inside else 0


def _text(pid: int, file: str) -> str:
    try:
        with open(f"/proc/{pid}/{file}", errors="replace") as opened:
            return opened.read()
    except OSError:
        return ""

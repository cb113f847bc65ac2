"""What /proc and the cgroup trees show of one process, and what has changed between two looks at it."""

import os
import threading
from dataclasses import dataclass, field

from labkit.errors import LabkitError
from labkit.linux.namespaces import NAMESPACES, setns
from labkit.linux.rundir import rundir

_CGROUPS = "/sys/fs/cgroup"
# Files of cgroups that limits are written to; see cgroups(7), and cgroup-v2.rst.
_LIMITS = (
    *("cpu.cfs_quota_us", "cpu.max", "cpuset.cpus", "cpuset.mems", "devices.list", "pids.max"),
    *("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max", "memory.swap.max"),
)
# Lines of /proc/PID/status (proc_pid_status(5)), and what to call them.
_STATUS = {
    "Uid": "user ids",
    "Gid": "group ids",
    "Groups": "supplementary groups",
    "Umask": "umask",
    "NoNewPrivs": "no_new_privs",
    "Seccomp": "seccomp mode",
}
_SETS = {
    "CapEff": "effective",
    "CapPrm": "permitted",
    "CapBnd": "bounding",
    "CapInh": "inheritable",
    "CapAmb": "ambient",
}
# fcntl.h, as fdinfo shows it in octal (proc_pid_fdinfo(5)).
_O_CLOEXEC = 0o2000000
# Near 2^63, whatever a page is.
_NO_LIMIT = 2**62
# Longer lists are counted.
_FEW = 4


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of /proc/PID/mountinfo: where, which filesystem (and which part of it), with which options."""

    place: str
    filesystem: str
    options: str

    def __str__(self) -> str:
        return f"{self.place} ({self.filesystem}; {self.options})"


@dataclass(slots=True)
class Look:
    """What is seen at one moment: values by name, sets by name, and mounts by their number, which they keep.

    What this user may not see is missing.
    """

    values: dict[str, str] = field(default_factory=dict)
    sets: dict[str, frozenset[str]] = field(default_factory=dict)
    mounts: dict[str, Mount] = field(default_factory=dict)
    mount_namespace: str = ""


def inside(pid: int) -> Look:
    """What is to be seen now of the process `pid`."""
    seen = Look()
    parts = (_namespaces, _session, _status, _maps, _cgroups, _limits, _descriptors, _names, _mounts, _program)
    for part in parts:
        try:
            part(f"/proc/{pid}", seen)
        except OSError:
            continue  # Not this user's to see, or gone with its process.
    return seen


def outside(id: str) -> Look:
    """What is to be seen now of the container `id` on the host: its state file's lines, its cgroups, their limits."""
    seen = Look()
    try:
        seen.values["lines in its state file"] = str(len(_read(f"{rundir('containers')}/{id}/state").splitlines()))
    except (OSError, LabkitError):
        pass  # None yet.
    own = [(folder, name) for folder, names, _ in os.walk(_CGROUPS) for name in names if id in name]
    seen.sets["cgroups on the host"] = frozenset(_tree(folder) for folder, _ in own)
    for folder, name in own:
        for file in _LIMITS:
            try:
                lines = _read(f"{folder}/{name}/{file}").splitlines()
            except OSError:
                continue
            if file == "devices.list":
                seen.sets["allowed devices"] = frozenset(lines)
            else:
                seen.values[f"{_tree(folder)}: {file}"] = _limit(" ".join(lines)) or "empty"
    return seen


def filled(now: Look, before: Look) -> Look:
    """A look at the same process with what could be seen before, and now cannot, as it was."""
    return Look(
        before.values | now.values,
        before.sets | now.sets,
        now.mounts or before.mounts,
        now.mount_namespace or before.mount_namespace,
    )


def changes(before: Look, after: Look) -> list[str]:
    """What differs, a line each."""
    lines = []
    for name, new in after.values.items():
        old = before.values.get(name, "")
        if old != new:
            lines.append(f"{name}: {old} → {new}" if old else f"{name}: {new}")
    for name, members in after.sets.items():
        lines += _listed(f"{name}: new", members - before.sets.get(name, frozenset()))
        lines += _listed(f"{name}: gone", before.sets.get(name, frozenset()) - members)
    return lines + _mount_changes(before, after)


def _listed(what: str, members: frozenset[str]) -> list[str]:
    if not members:
        return []
    ordered = sorted(members)
    more = f" and {len(ordered) - _FEW} more" if len(ordered) > _FEW + 1 else ""
    return [f"{what} {', '.join(ordered[:_FEW] if more else ordered)}{more}"]


def _mount_changes(before: Look, after: Look) -> list[str]:
    old, new = before.mounts, after.mounts
    if not old or not new or before.mount_namespace != after.mount_namespace:
        # A copy of all has other numbers.
        return []
    lines = [f"mounted: {new[number]}" for number in new if number not in old]
    gone = [old[number].place for number in old if number not in new]
    if gone:
        lines.append(f"unmounted: {', '.join(gone) if len(gone) <= _FEW else f'{len(gone)} mounts of the host'}")
    both = [(old[number], new[number]) for number in new if number in old]
    moved = [(was, now) for was, now in both if was.place != now.place]
    if moved:
        lines.append(f"{len(moved)} mounts have another place, the first {moved[0][0].place} → {moved[0][1].place}")
    changed = [(was, now) for was, now in both if was.place == now.place and was.options != now.options]
    if len(changed) > _FEW:
        lines.append(f"{len(changed)} mounts have other options; of them:")
    return lines + [f"mount {was.place}: {was.options} → {now.options}" for was, now in changed[:_FEW]]


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _namespaces(folder: str, seen: Look) -> None:
    for kind, (_, entry) in NAMESPACES.items():
        own = os.readlink(f"{folder}/ns/{entry}")
        host = os.readlink(f"/proc/self/ns/{entry}")
        seen.values[f"{kind} namespace"] = "the host's" if own == host else "its own"


def _session(folder: str, seen: Look) -> None:
    # After the name: state, parent, process group, session (proc_pid_stat(5)).
    fields = _read(f"{folder}/stat").rpartition(")")[2].split()
    seen.values["session"] = fields[3]


def _status(folder: str, seen: Look) -> None:
    for line in _read(f"{folder}/status").splitlines():
        key, _, value = line.partition(":")
        if key in _STATUS:
            seen.values[_STATUS[key]] = " ".join(value.split()) or "none"
        elif key in _SETS:
            seen.values[f"{_SETS[key]} capabilities"] = str(int(value, 16).bit_count())


def _maps(folder: str, seen: Look) -> None:
    for name in ("uid_map", "gid_map"):
        lines = [" ".join(line.split()) for line in _read(f"{folder}/{name}").splitlines()]
        seen.values[name] = ", ".join(lines) or "empty"
    seen.values["oom_score_adj"] = _read(f"{folder}/oom_score_adj").strip()


def _cgroups(folder: str, seen: Look) -> None:
    for line in _read(f"{folder}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        seen.values[f"cgroup of {controllers or 'the unified tree'}"] = path


def _limits(folder: str, seen: Look) -> None:
    for line in _read(f"{folder}/limits").splitlines()[1:]:
        name, soft, hard = line[:25].strip().lower(), *line[26:].split()[:2]
        seen.values[name] = f"{soft} (at most {hard})"


def _descriptors(folder: str, seen: Look) -> None:
    opened, closing = set(), 0
    for number in os.listdir(f"{folder}/fd"):
        # Of a socket's or pipe's name the number says nothing.
        target = os.readlink(f"{folder}/fd/{number}").partition(":[")[0]
        opened.add(f"{number} ({target})")
        flags = next(
            line.split()[1] for line in _read(f"{folder}/fdinfo/{number}").splitlines() if line[:6] == "flags:"
        )
        closing += bool(int(flags, 8) & _O_CLOEXEC)
    seen.sets["open descriptors"] = frozenset(opened)
    seen.values["descriptors that execve(2) leaves open"] = str(len(opened) - closing)


def _names(folder: str, seen: Look) -> None:
    """The host name, and the addresses that are local (proc_pid_net(5))."""
    named: list[str] = []
    thread = threading.Thread(target=lambda: named.extend(_host_name(f"{folder}/ns/uts")))
    thread.start()
    thread.join()
    if named:
        seen.values["host name"] = named[0]
    lines = _read(f"{folder}/net/fib_trie").splitlines()
    local = {lines[number - 1].split()[-1] for number, line in enumerate(lines) if line.endswith("host LOCAL")}
    seen.sets["local addresses"] = frozenset(local)


def _host_name(namespace: str) -> list[str]:
    """The name in another UTS namespace, which the calling thread enters for good; none for who may not."""
    try:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(descriptor, NAMESPACES["uts"][0])
        finally:
            os.close(descriptor)
    except OSError:
        return []
    return [os.uname().nodename]


def parse_mounts(text: str) -> dict[str, Mount]:
    """The mounts of /proc/PID/mountinfo (proc_pid_mountinfo(5)) by number; `relatime` is left out, being everywhere."""
    mounts = {}
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        number, _, _, root, place, options, *propagation = head.split()
        filesystem = tail.split()[0]
        shown = filesystem if root == "/" or filesystem.startswith("ext") else f"{filesystem}, its {root}"
        kept = [option for option in options.split(",") if option != "relatime"]
        # shared:N and master:N (mount_namespaces(7)).
        kept += [name.partition(":")[0] for name in propagation]
        mounts[number] = Mount(place, shown, ",".join(kept))
    return mounts


def _mounts(folder: str, seen: Look) -> None:
    seen.mount_namespace = os.readlink(f"{folder}/ns/mnt")
    seen.mounts = parse_mounts(_read(f"{folder}/mountinfo"))
    # A container's is a tmpfs, wherever its root still is.
    found = [m.place for m in seen.mounts.values() if m.filesystem == "tmpfs" and m.place.endswith("/dev")]
    if found:
        seen.sets["files in /dev"] = frozenset(os.listdir(f"{folder}/root{found[-1]}"))


def _program(folder: str, seen: Look) -> None:
    seen.values["root folder"] = os.readlink(f"{folder}/root")
    seen.values["working folder"] = os.readlink(f"{folder}/cwd")
    seen.values["program"] = os.readlink(f"{folder}/exe")


def _limit(text: str) -> str:
    """A limit in words where v1 has a number for none: the largest page counter, in bytes, or -1."""
    return "no limit" if text == "-1" or (text.isdigit() and int(text) >= _NO_LIMIT) else text


def _tree(folder: str) -> str:
    """The name of the tree that a cgroup is in."""
    return folder.removeprefix(_CGROUPS).strip("/").partition("/")[0] or "unified"

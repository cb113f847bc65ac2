"""What exists on the host because of this process, to see what containers have left behind: nothing, it is hoped."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Census:
    """Names of what there is, by kind: processes below this one, their descriptors, namespaces, mounts, cgroups."""

    processes: frozenset[str]
    descriptors: int
    namespaces: frozenset[str]
    mounts: frozenset[str]
    cgroups: frozenset[str]

    def compared_with(self, later: "Census") -> pd.DataFrame:
        """A row per kind: how many there were, how many there are, and the names of those that are new."""
        rows: list[tuple[str, int, int, str]] = []
        for name in ("processes", "namespaces", "mounts", "cgroups"):
            before, after = getattr(self, name), getattr(later, name)
            rows.append((name, len(before), len(after), ", ".join(sorted(after - before))))
        rows.append(("open descriptors", self.descriptors, later.descriptors, ""))
        return pd.DataFrame(rows, columns=["what", "before", "after", "new"])

    def in_words(self, later: "Census") -> str:
        """Whether anything is there later that was not there before."""
        compared = self.compared_with(later)
        grown = [str(row["what"]) for row in compared.to_dict("records") if row["new"] or row["after"] > row["before"]]
        return f"Left behind: {', '.join(grown)}." if grown else "Nothing was left behind."


def census(ids: Iterable[str] = ()) -> Census:
    """What there is now; `cgroups` are those named after one of the containers `ids`, wherever they are."""
    family = [os.getpid(), *_descendants(os.getpid())]
    return Census(
        processes=frozenset(f"{_name(pid)} ({pid})" for pid in family),
        descriptors=sum(len(_listed(_PROC / str(pid) / "fd")) for pid in family),
        namespaces=frozenset(
            link for pid in family for entry in _listed(_PROC / str(pid) / "ns") if (link := _link(pid, entry))
        ),
        mounts=frozenset(line.split(" ")[4] for line in (_PROC / "self/mountinfo").read_text().splitlines()),
        cgroups=frozenset(_cgroups_of(tuple(ids))),
    )


def _descendants(pid: int) -> list[int]:
    """The pids of all processes below `pid`.  Source: proc(5), task/TID/children."""
    found = []
    for task in _listed(_PROC / str(pid) / "task"):
        try:
            children = (_PROC / str(pid) / "task" / task / "children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # The thread has ended since it was listed.
        for child in children:
            found += [int(child), *_descendants(int(child))]
    return found


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def _link(pid: int, entry: str) -> str:
    try:
        return os.readlink(_PROC / str(pid) / "ns" / entry)
    except OSError:
        return ""  # Gone, or not ours to read.


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def _cgroups_of(ids: tuple[str, ...]) -> list[str]:
    if not ids:
        return []
    return [
        f"{folder}/{name}" for folder, names, _ in os.walk(_CGROUPS) for name in names if any(id in name for id in ids)
    ]

"""What the probe wrote, as tidy rows: area, question, answer, unit, kind, verdict."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pandas as pd

from labkit.errors import LabkitError
from labkit.linux import capabilities

COLUMNS = ("area", "question", "answer", "unit", "kind", "verdict")
_BOOT = "boot id"
_WRITTEN = ("kind", "area", "question", "answer", "unit")
CALLS = "system calls"
# The answer of who is in the same namespace as who reads the table.
HOSTS = "the host's"


def read(text: str) -> pd.DataFrame:
    """A row for each question. `kind` says how answers are ordered (see probe.h and strength).

    `verdict` is "open" where the process can do or see what it asks for, "closed" where it is kept from that, and ""
    for a mere fact. A set of capabilities is given by names, and a namespace by whose it is.
    Raises LabkitError for a text that is not the probe's.
    """
    first, *lines = text.splitlines() or [""]
    if first.split("\t") != list(_WRITTEN) or not lines or not text.endswith("\n"):
        raise LabkitError(
            "the probe wrote no whole table", "the sandbox may have ended it; see what it wrote to stderr"
        )
    rows = []
    written = [dict(zip(_WRITTEN, line.split("\t"), strict=True)) for line in lines]
    # A virtual machine's first namespaces have the identifiers that the host's have.
    elsewhere = any(row["question"] == _BOOT and row["answer"] != _boot_id() for row in written)
    for values in written:
        kind, answer = values["kind"], values["answer"]
        if kind == "mask":
            kind, answer = "set", " ".join(capabilities.names(int(answer or "0", 16)))
        elif kind == "set":
            answer = " ".join(sorted(answer.split()))
        elif kind == "namespace" and answer.startswith(values["question"].partition(" ")[0] + ":"):
            shared = answer == _own_namespace(values["question"].partition(" ")[0]) and not elsewhere
            answer = HOSTS if shared else "its own"
        rows.append(values | {"kind": kind, "answer": answer, "verdict": verdict(kind, answer)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def verdict(kind: str, answer: str) -> str:
    """Whether an answer says that the sandbox is open or closed here; "" for a fact."""
    if kind == "fact":
        return ""
    opened = {
        "can": answer == "yes",
        "set": bool(answer),
        "count": answer != "0",
        "level": answer in ("", "0"),
        "namespace": answer == HOSTS,
    }
    return "open" if opened[kind] else "closed"


def _own_namespace(entry: str) -> str:
    """The namespace that this process is in, by its file in /proc/self/ns; "" where there is none."""
    try:
        return os.readlink(f"/proc/self/ns/{entry}")
    except OSError:
        return ""


def _boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def side_by_side(tables: dict[str, pd.DataFrame], differing: bool = False) -> pd.DataFrame:
    """A row for each question and a column for each table, with the answers; `differing` leaves out what all share.

    The order is that of the probe. What has no verdict (a pid, a clock) differs by its nature, and is left out then.
    """
    first = next(iter(tables.values()))
    wide = first[["area", "question"]].copy()
    for name, frame in tables.items():
        # One program wrote all: the rows are the same, in the same order.
        wide[name] = list(frame["answer"])
    if differing:
        names = list(tables)
        wide = wide[(first["verdict"] != "") & (wide[names].nunique(axis="columns") > 1)]
    return wide.reset_index(drop=True)


def calls_in_words(frame: pd.DataFrame) -> str:
    """How many of the system calls that were tried reach the kernel."""
    tried = frame[(frame["area"] == CALLS) & (frame["kind"] == "can")]
    return f"{int((tried['verdict'] == 'open').sum())} of {len(tried)} system calls reach the kernel."


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """By area, how many questions have which verdict: a row each, in the probe's order; columns open and closed."""
    judged = frame[frame["verdict"] != ""]
    areas = list(dict.fromkeys(judged["area"]))
    return pd.DataFrame({"area": areas, **{word: _of(judged, word, areas) for word in ("open", "closed")}})


def _of(judged: pd.DataFrame, word: str, areas: Iterable[str]) -> list[int]:
    return [int(((judged["area"] == area) & (judged["verdict"] == word)).sum()) for area in areas]

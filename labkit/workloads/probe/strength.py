"""Which of two sandboxes keeps more from what runs inside: an explicit order for each kind of answer."""

from __future__ import annotations

import pandas as pd

from labkit.workloads.probe.table import HOSTS


def no_weaker(kind: str, mine: str, other: str) -> bool:
    """Whether the answer `mine` keeps at least what `other` keeps.

    can: refused, in whatever way, before "yes"; set: no name that the other has not; count: not more; level: not
    less; namespace: its own before the host's; fact: not ordered, and so never weaker.
    """
    if kind == "can":
        return mine != "yes" or other == "yes"
    if kind == "set":
        return set(mine.split()) <= set(other.split())
    if kind == "count":
        return int(mine) <= int(other)
    if kind == "level":
        return int(mine or 0) >= int(other or 0)
    if kind == "namespace":
        return mine != HOSTS or other == HOSTS
    return True


def weaker(mine: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The rows of the probe in which `mine` is weaker than `other`: area, question, mine, other."""
    both = mine.merge(other, on=["area", "question", "kind"], suffixes=("_mine", "_other"), validate="one_to_one")
    rows = [
        {"area": row["area"], "question": row["question"], "mine": row["answer_mine"], "other": row["answer_other"]}
        for row in both.to_dict("records")
        if not no_weaker(str(row["kind"]), str(row["answer_mine"]), str(row["answer_other"]))
    ]
    return pd.DataFrame(rows, columns=["area", "question", "mine", "other"])

"""The figures that others have published, as the notebooks read them from data/published."""

import pandas as pd
from IPython.display import HTML

from labkit.errors import LabkitError
from labkit.nb import places
from labkit.nb.displays import table


def figures() -> pd.DataFrame:
    """One published figure a row; data/published/README.md explains the columns."""
    return _read("figures.csv")


def counterparts() -> pd.DataFrame:
    """The published figures (by `id`) that a workload or operation of the study measures too, and how near it comes."""
    return _read("counterparts.csv")


def sources() -> pd.DataFrame:
    """Where the figures come from: who, what, where, and what is known of the host and the versions."""
    return _read("sources.csv")


def sources_table(used: pd.DataFrame) -> HTML:
    """The sources of the figures `used`: who, what, where, and what to hold against them."""
    known = sources()
    mine = known[known["source"].isin(set(used["source"]))]
    return table(mine[["source", "authors", "title", "year", "address", "note"]])


def _read(name: str) -> pd.DataFrame:
    path = places.published() / name
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise LabkitError(f"{path} is missing", "restore it: git checkout data/published") from None

"""Removing what sandboxes have left whose driver's process was killed."""

from __future__ import annotations

from labkit.errors import LabkitError
from labkit.runtimes import driver, owner


def collect_garbage() -> list[str]:
    """Let the driver of each sandbox remove it, where who asked for it is dead; returns their ids.

    Raises LabkitError, when all others are done, for one that cannot be removed.
    """
    removed = []
    refused: list[LabkitError] = []
    for name, id in owner.forgotten():
        try:
            driver(name).remove(id)
            removed.append(id)
        except LabkitError as error:
            refused.append(error)
    if refused:
        raise refused[0]
    return removed

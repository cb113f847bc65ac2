"""The state on disk of a container that this process has made: whether it is still there, and to change it."""

from __future__ import annotations

from contextlib import contextmanager

from labkit.engine import state
from labkit.engine.client import Running
from labkit.engine.hint import hint
from labkit.errors import LabkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from labkit.engine.state import State


def found(id: str, running: Running) -> State | None:
    """Its state on disk; None when it is gone, and its id perhaps another's."""
    there = state.read(f"{state.root()}/{id}", id) if running.status is None else None
    return there if there and there.pid == running.pid else None


def alive(id: str, running: Running) -> State:
    """Its state on disk. Raises LabkitError when it has ended."""
    there = found(id, running)
    if there is None or not there.runs():
        raise LabkitError(f"container {id} has ended", "make a new Container")
    return there


@contextmanager
def locked(id: str, running: Running) -> Iterator[State]:
    """Its state, while nobody else changes it; a file that is gone within the block says that it has ended."""
    alive(id, running)
    try:
        with state.Lock(id, state.root()):
            yield alive(id, running)
    except OSError as error:
        alive(id, running)
        about = f"{error.filename}: " if error.filename else ""
        raise LabkitError(f"container {id}: {about}{error.strerror}", hint("", error.errno)) from error

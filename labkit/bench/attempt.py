"""One trial that may fail: then its reason and its output are what there is to record, and the run goes on."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from labkit.errors import LabkitError

# What ends the run, since no trial could be recorded any more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a trial gave nothing, and what its programs and its runtime said."""

    reason: str
    log: str


def attempt(act: Callable[[int], Found]) -> Found | Lost:
    """What `act` gives, which is told the descriptor that its programs write to; or that the trial is lost.

    Raises OSError where the disk is full, or may not be written to.
    """
    # Appended to: gVisor writes at places that it counts itself, over what another program has said.
    with tempfile.TemporaryFile("a+b") as log:
        try:
            return act(log.fileno())
        except (LabkitError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            reason = error.message if isinstance(error, LabkitError) else str(error)
            said = os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace")
            return Lost(reason, said or reason)

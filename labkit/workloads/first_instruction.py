"""The payload's first instruction, as it is heard from outside the sandbox (see startup)."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import Sandbox
from labkit.runtimes.trial_run import last_words_in

TIMEOUT = 60.0


@contextmanager
def heard(make: Callable[[tuple[int, int, int]], Sandbox], log: int) -> Iterator[tuple[Sandbox, int]]:
    """A sandbox that `make` makes of the payload, and the descriptor on which its first instruction is heard.

    `make` is told the program's stdin, stdout and stderr, the last of which is `log`. At the end nothing is left of the
    sandbox.
    """
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            sandbox = make((null, writing, log))
        finally:
            os.close(writing)
            os.close(null)
        try:
            yield sandbox, reading
        finally:
            sandbox.delete()
    finally:
        os.close(reading)


def listen(reading: int) -> bytes:
    """Wait for the first instruction; returns what the payload has written by it. Raises LabkitError after TIMEOUT."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    if not poll.poll(TIMEOUT * 1000):
        raise LabkitError(f"no instruction of the payload ran within {TIMEOUT:g} s", "see the trial's log")
    return os.read(reading, 16)


def check(status: int, output: bytes, log: int) -> None:
    """Raise LabkitError, with the last words in the log, when the payload did not run as it should."""
    if status != 0 or output != payload.OUTPUT:
        raise LabkitError(f"exit status {status}: {last_words_in(log)}", "see the trial's log")

"""Standard input for `ctr`, which loses its end when that comes before the task is there.

The input goes through a pipe whose end is kept open until the task can be told of it: for `ctr run` when the pid file
is written, for `ctr task exec` when the shim reads the fifo. An input that ended earlier would leave the shim waiting
for a writer, or the program for an end.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from pathlib import Path

_INTERVAL = 0.002


class HeldInput:
    """What a client is given for stdin (`reading`); `feed` begins once the client runs."""

    def __init__(self, stdin: int) -> None:
        self.stdin = os.dup(stdin)
        self.reading, self.writing = os.pipe2(os.O_CLOEXEC)

    def feed(self, ready: Callable[[], bool], pid: int) -> None:
        """Copy from now on, in a thread of its own, until the input or the client `pid` has ended.

        The end of the input is handed on once it is `ready`.
        """
        os.close(self.reading)
        client = os.pidfd_open(pid)
        threading.Thread(target=self._copy, args=(ready, client), name="labkit-input", daemon=True).start()

    def abandon(self) -> None:
        """The client was never started."""
        for descriptor in (self.stdin, self.reading, self.writing):
            os.close(descriptor)

    def _copy(self, ready: Callable[[], bool], client: int) -> None:
        try:
            while client not in select.select([self.stdin, client], [], [])[0]:
                part = os.read(self.stdin, 65536)
                if not part:
                    break
                os.write(self.writing, part)
            while not ready() and not select.select([client], [], [], _INTERVAL)[0]:
                pass
        except BrokenPipeError:
            pass  # The client has ended.
        finally:
            for descriptor in (self.writing, self.stdin, client):
                os.close(descriptor)


def is_read(folder: str) -> bool:
    """Whether somebody reads the fifo for stdin below `folder`: only then can it be opened for writing (fifo(7))."""
    for fifo in Path(folder).glob("**/*-stdin"):
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            continue  # ENXIO: nobody reads yet.
        return True
    return False


def is_written(path: str) -> bool:
    """Whether a file is there, and not empty."""
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False

"""One stream between a guest and the host, never blocking: read when all is written, written when there is room."""

from __future__ import annotations

import os
import select

# poll(2) promises room for this much at a pipe's writing end (pipe(7), PIPE_BUF).
_WRITE = 4096
_READ = 65536


class Flow:
    """Bytes from descriptor `source` to descriptor `sink`; with a `mark`, up to that word, which is not passed on.

    `ended` once everything was written. A port of a guest has no end of file of its own, hence the mark.
    """

    __slots__ = ("_held", "_mark", "_pending", "_source_ended", "sink", "source")

    def __init__(self, source: int, sink: int, mark: bytes = b"") -> None:
        self.source = source
        self.sink = sink
        self._mark = mark
        self._held = b""
        self._pending = b""
        self._source_ended = False

    @property
    def ended(self) -> bool:
        """Whether the source has ended and all of it is written."""
        return self._source_ended and not self._pending

    @property
    def blocked(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._pending)

    def give_up(self) -> None:
        """Nobody is there to write to."""
        self._source_ended, self._pending = True, b""

    def wanted(self) -> tuple[int, int] | None:
        """The descriptor and the events that this stream waits for now (poll(2)); None once it has ended."""
        if self._pending:
            return self.sink, select.POLLOUT
        return None if self._source_ended else (self.source, select.POLLIN)

    def move(self) -> None:
        """Do the one thing that wanted() waited for.  Raises BrokenPipeError when nobody reads the sink."""
        if self._pending:
            try:
                self._pending = self._pending[os.write(self.sink, self._pending[:_WRITE]) :]
            except BlockingIOError:
                return
        else:
            self._read()

    def _read(self) -> None:
        try:
            data = os.read(self.source, _READ)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            # Held was no mark after all.
            self._pending, self._held, self._source_ended = self._held, b"", True
        elif not self._mark:
            self._pending = data
        else:
            self._pending, self._held, self._source_ended = until_mark(self._held + data, self._mark)


def until_mark(data: bytes, mark: bytes) -> tuple[bytes, bytes, bool]:
    """(what comes before the mark for certain, what may be the beginning of the mark, whether the mark was there)."""
    if data.endswith(mark):
        return data.removesuffix(mark), b"", True
    longest = min(len(data), len(mark) - 1)
    held = next((size for size in range(longest, 0, -1) if data.endswith(mark[:size])), 0)
    return data[: len(data) - held], data[len(data) - held :], False

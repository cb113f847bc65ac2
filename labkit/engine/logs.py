"""What a container writes to stdout and stderr, kept in a file or in memory to be read meanwhile and afterwards."""

from __future__ import annotations

import os
from fcntl import F_SETFL, fcntl

from labkit.errors import LabkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 65536
_BETWEEN_LOOKS = 0.1


class Log:
    """The file behind a container's stdout and stderr: a new part at the end of the file `path`, or memory.

    Memory is counted as the container's own (memfd_create(2)), so that its limit bounds the log. `writing` is the
    container's descriptor, which shows it nothing that was in the file before.
    """

    __slots__ = ("_begin", "_reading", "writing")

    def __init__(self, path: str | None) -> None:
        self._reading = self.writing = -1
        self._begin = 0
        if path is None:
            self.writing = os.memfd_create("labkit-log", os.MFD_CLOEXEC)
            self._reading = os.dup(self.writing)
            fcntl(self.writing, F_SETFL, os.O_APPEND)
            return
        try:
            # O_NONBLOCK: a fifo that nobody reads is an error, and nothing to wait for.
            self.writing = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
            self._reading = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self.close()
            raise LabkitError(f"log {path}: {error.strerror}", "give a file in a folder you may write to") from error
        self._begin = os.fstat(self._reading).st_size

    def lines(self, ended: Callable[[float], bool]) -> Iterator[str]:
        """The lines without their ends, until `ended(seconds)`, which waits so long at most, says that it is over."""
        if self._reading < 0:
            raise LabkitError("the log is gone with its container", "read it before delete(), or give it a path")
        reading = os.dup(self._reading)
        try:
            place, rest, patience = self._begin, b"", 0.0
            over = False
            while not over:
                # Asked before the file is read, so that what was written before the end is in it.
                over = ended(patience)
                while data := os.pread(reading, _CHUNK, place):
                    place += len(data)
                    *whole, rest = (rest + data).split(b"\n")
                    for line in whole:
                        yield line.decode(errors="replace")
                patience = _BETWEEN_LOOKS
            if rest:
                yield rest.decode(errors="replace")
        finally:
            os.close(reading)

    def close(self) -> None:
        """Close the descriptors; once more does nothing."""
        # Forgotten before they are closed, as in client.Running.
        for descriptor in self._forget():
            if descriptor >= 0:
                os.close(descriptor)

    def _forget(self) -> tuple[int, int]:
        descriptors = (self._reading, self.writing)
        self._reading = self.writing = -1
        return descriptors

    def __del__(self) -> None:
        self.close()


def open_log(log: bool | str | os.PathLike[str], terminal: bool) -> Log:
    """The log that Container.start was asked for: in memory for True, or in the file of that path.

    Raises LabkitError for a container with a terminal.
    """
    if terminal:
        raise LabkitError("a container with a terminal has no log", "read what it shows from container.terminal")
    return Log(None if log is True else os.fspath(log or ""))

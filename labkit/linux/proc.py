"""The files of procfs and cgroupfs: read whole, written with one call; and a process's identity from them.

Apart from `process`, since the quickest verbs of the command lines need these and no system call through ctypes.
"""

from __future__ import annotations

from labkit.linux import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def write_file(path: str, text: str) -> None:
    """Write `text` to an existing file with one write(2), as the files of procfs and cgroupfs require."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.close(descriptor)


def write_lines(path: str, lines: Iterable[str]) -> None:
    """Write each of `lines` with a write(2) of its own, as files take them that have many lines and want one at a time.

    The OSError's path is followed by the line that was refused.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    line = ""
    try:
        for line in lines:
            os.write(descriptor, line.encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, path, None, line) from error
    finally:
        os.close(descriptor)


def read_file(path: str) -> str:
    """The whole text of a small file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode(errors="surrogateescape")


def start_time(stat: str) -> int:
    """The ticks from boot to a process's start, from its /proc/PID/stat (field 22): with the pid, its identity."""
    return int(stat.rpartition(")")[2].split()[19])


def alive(pid: int, start: int) -> bool:
    """Whether the process `pid` that began at the tick `start` still runs."""
    try:
        stat = read_file(f"/proc/{pid}/stat")
        # A zombie is dead too: it waits for its parent only.
        return start_time(stat) == start and stat.rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False

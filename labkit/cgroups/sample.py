"""A few figures of a container, read ten times a second or more often: its files stay open between the readings.

Opening a file of cgroupfs costs several times what reading it does; for all figures there is `statistics`.
"""

from __future__ import annotations

import os

from labkit.cgroups.folders import having

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

# Each quantity, and the files that have it: (file, key of a line or "" for a file with one number, factor).
QUANTITIES = {
    "cpu_ns": (("cpuacct.usage", "", 1), ("cpu.stat", "usage_usec", 1000)),
    "throttled_ns": (("cpu.stat", "throttled_time", 1), ("cpu.stat", "throttled_usec", 1000)),
    "memory_bytes": (("memory.usage_in_bytes", "", 1), ("memory.current", "", 1)),
    "oom_kills": (("memory.oom_control", "oom_kill", 1), ("memory.events", "oom_kill", 1)),
    "pids": (("pids.current", "", 1),),
}


class Sampler:
    """Reads the QUANTITIES that the cgroups `folders` have; a context manager that closes its files.

    Times are in nanoseconds and grow; `memory_bytes` and `pids` are what is in use.
    """

    __slots__ = ("_files",)

    def __init__(self, folders: Sequence[str]) -> None:
        self._files: list[tuple[str, int, bytes, int]] = []
        for quantity, places in QUANTITIES.items():
            for file, key, factor in places:
                # On a hybrid host more than one folder has a cpu.stat, with different keys.
                descriptor = _open(folders, file, key.encode())
                if descriptor >= 0:
                    self._files.append((quantity, descriptor, key.encode(), factor))
                    break

    def read(self) -> dict[str, int]:
        """The quantities by name, without those that no cgroup has; empty when the container is gone."""
        found = {}
        for quantity, descriptor, key, factor in self._files:
            try:
                number = _number(os.pread(descriptor, 4096, 0), key)
            except OSError:
                continue  # ENODEV: the cgroup was removed.
            if number is not None:
                found[quantity] = number * factor
        return found

    def close(self) -> None:
        """Close the files; once more does nothing."""
        for _, descriptor, _, _ in self._files:
            os.close(descriptor)
        self._files = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open(folders: Sequence[str], file: str, key: bytes) -> int:
    """The first of the folders' files `file` that has the key, open; -1 where none has."""
    for folder in folders:
        if having([folder], file) is None:
            continue
        descriptor = os.open(f"{folder}/{file}", os.O_RDONLY | os.O_CLOEXEC)
        if _number(os.pread(descriptor, 4096, 0), key) is not None:
            return descriptor
        os.close(descriptor)
    return -1


def _number(text: bytes, key: bytes) -> int | None:
    """The file's one number, or that of the line `key number`."""
    if not key:
        return int(text)
    _, found, rest = (b"\n" + text).partition(b"\n" + key + b" ")
    return int(rest.partition(b"\n")[0]) if found else None

"""Figures of something that goes on, read again and again by a thread of its own until it is over."""

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import pandas as pd

from labkit.errors import LabkitError

# The figures of now, by name; empty, or LabkitError, when there are none any more.
Read = Callable[[], Mapping[str, float]]


class Recorder:
    """Calls `read` every `interval` seconds from now on, until it gives nothing, `stop`, or the end of the block."""

    def __init__(self, read: Read, interval: float = 0.05) -> None:
        self._read = read
        self._interval = interval
        self._rows: list[dict[str, float]] = []
        self._begun = threading.Event()
        self._stopping = threading.Event()
        self._begin = time.monotonic()
        self._thread = threading.Thread(target=self._record, name="recorder", daemon=True)
        self._thread.start()

    def frame(self) -> pd.DataFrame:
        """What was read so far: `time` in seconds since the first reading, and a column for each figure."""
        frame = pd.DataFrame(self._rows[: len(self._rows)])
        return frame.assign(time=frame["time"] - frame["time"].iloc[0]) if len(frame) else pd.DataFrame({"time": []})

    def begun(self) -> None:
        """Wait for the first reading, or until there will be none."""
        self._begun.wait()

    def over(self, timeout: float | None = None) -> bool:
        """Whether nothing more will be read; waits for that up to `timeout` seconds, None: as long as it takes."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Read no more, and wait until the thread has seen that."""
        self._stopping.set()
        self._thread.join()

    def _record(self) -> None:
        try:
            self._read_on()
        finally:
            self._begun.set()

    def _read_on(self) -> None:
        while not self._stopping.is_set():
            now = time.monotonic()
            try:
                figures = self._read()
            except LabkitError:
                break
            if not figures:
                break
            self._rows.append({"time": now, **figures})
            self._begun.set()
            # Counted from the beginning, so that slow readings do not add up.
            self._stopping.wait(self._interval - (time.monotonic() - self._begin) % self._interval)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

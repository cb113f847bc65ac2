"""The kernel's tracer in an instance of its own: which events, or functions, some tasks and their children cause.

An instance has its own buffer, events and list of tasks, so that nothing of the host's own tracing is touched; all of
it goes with the instance. Source: the kernel's Documentation/trace/ftrace.rst (instances, set_event_pid,
set_ftrace_pid, options) and ring-buffer-design.rst.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from labkit.linux.mount import mount

ROOT = "/sys/kernel/tracing"
PREFIX = "labkit-"
ENTER = "raw_syscalls/sys_enter"
# A page of the buffer: its time and how much of it is filled, then the records (events/header_page).
_HEADER = 16
_FILLED = 0xFFFFF
_PADDING, _EXTEND, _STAMP = 29, 30, 31
# How long the reader rests when there is nothing, in s.
_REST = 0.002


def attach() -> None:
    """See to it that tracefs is at ROOT: in a mount namespace of its own, so that the host's mounts stay as they are.

    Raises OSError where the kernel has none, or does not let it be used.
    """
    if not os.path.isdir(f"{ROOT}/instances"):
        mount("tracefs", ROOT, "tracefs", 0)


def remove_forgotten() -> None:
    """Remove the instances that a killed process has left."""
    for name in os.listdir(f"{ROOT}/instances"):
        if name.startswith(PREFIX):
            os.rmdir(f"{ROOT}/instances/{name}")


class Trace:
    """What was traced, once it has ended: the buffer's `pages` as they were read, and how many events were `lost`."""

    __slots__ = ("lost", "pages")

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self.lost = 0

    def records(self) -> Iterator[bytes]:
        """Each event's own bytes, as its `format` file describes them."""
        for page in self.pages:
            yield from records(page)


class Instance:
    """An instance that traces nothing yet; a context, at whose end it is gone, whatever happened."""

    def __init__(self, name: str, kilobytes: int = 16384) -> None:
        """`kilobytes` is the size of the buffer for each CPU."""
        self.path = f"{ROOT}/instances/{PREFIX}{name}"
        self._kilobytes = kilobytes

    def __enter__(self) -> Instance:
        os.mkdir(self.path)
        try:
            self.set("tracing_on", "0")
            self.set("buffer_size_kb", str(self._kilobytes))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # The kernel turns off what is on in it, and removes it.
        os.rmdir(self.path)

    def set(self, file: str, text: str, append: bool = False) -> None:
        """Write to one of its files. Raises OSError with the path."""
        flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
        descriptor = os.open(f"{self.path}/{file}", flags)
        try:
            os.write(descriptor, text.encode())
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{self.path}/{file}") from None
        finally:
            os.close(descriptor)

    def calls(self) -> None:
        """Trace the system calls that the kernel begins to carry out, of tasks that are followed (see follow).

        What a filter or a tracer answers in its stead is none (kernel/entry: seccomp and ptrace come before).
        """
        self.set("options/event-fork", "1")
        self.set(f"events/{ENTER}/enable", "1")

    def functions(self) -> None:
        """Trace the kernel's functions that run for tasks that are followed. Raises OSError where it cannot."""
        self.set("options/function-fork", "1")
        self.set("current_tracer", "function")

    def follow(self, tasks: Iterable[int], functions: bool = False) -> None:
        """Follow these tasks too, and all that they will make: before `on`, which traces every task where none is."""
        for task in tasks:
            self.set("set_ftrace_pid" if functions else "set_event_pid", str(task), append=True)

    @contextmanager
    def on(self) -> Iterator[Trace]:
        """Trace while the context lasts; the buffer is emptied meanwhile, and what is yielded is filled at the end."""
        trace, over = Trace(), threading.Event()
        folders = sorted(name for name in os.listdir(f"{self.path}/per_cpu"))
        raw = []
        try:
            for name in folders:
                path = f"{self.path}/per_cpu/{name}/trace_pipe_raw"
                raw.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            size = os.sysconf("SC_PAGE_SIZE")

            def read() -> bool:
                got = False
                for descriptor in raw:
                    try:
                        while page := os.read(descriptor, size):
                            trace.pages.append(page)
                            got = True
                    except BlockingIOError:
                        pass
                return got

            def drain() -> None:
                while not over.is_set():
                    if not read():
                        over.wait(_REST)

            thread = threading.Thread(target=drain)
            self.set("tracing_on", "1")
            thread.start()
            try:
                yield trace
            finally:
                self.set("tracing_on", "0")
                over.set()
                thread.join()
                read()
                trace.lost = sum(self._lost(name) for name in folders)
        finally:
            for descriptor in raw:
                os.close(descriptor)

    def _lost(self, cpu: str) -> int:
        with open(f"{self.path}/per_cpu/{cpu}/stats", encoding="ascii") as file:
            stats = dict(line.split(":", 1) for line in file if ":" in line)
        return sum(int(stats.get(name, "0")) for name in ("overrun", "dropped events"))


def records(page: bytes) -> Iterator[bytes]:
    """The events of one page of a buffer (include/linux/ring_buffer.h: struct ring_buffer_event)."""
    end = _HEADER + (int.from_bytes(page[8:16], "little") & _FILLED)
    place = _HEADER
    while place + 4 <= end:
        kind = page[place] & 31
        if kind == _PADDING:
            # Without a time it fills the rest of the page; else its length follows.
            if int.from_bytes(page[place : place + 4], "little") >> 5 == 0:
                return
            place += 4 + int.from_bytes(page[place + 4 : place + 8], "little")
        elif kind in (_EXTEND, _STAMP):
            place += 8
        elif kind:
            yield page[place + 4 : place + 4 + 4 * kind]
            place += 4 + 4 * kind
        else:
            length = int.from_bytes(page[place + 4 : place + 8], "little")
            yield page[place + 8 : place + 4 + length]
            place += 4 + length

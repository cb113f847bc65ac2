"""`Container`: one container from Python, safe to use from any thread of a notebook's kernel."""

from __future__ import annotations

import os
import select

# Closed once, whoever closes it: the number of a descriptor closed twice may by then be another thread's.
from _io import FileIO

from labkit.engine import state
from labkit.engine.client import Running, stop_spawner
from labkit.engine.configure import configure
from labkit.engine.hint import hint
from labkit.engine.prepare import prepare
from labkit.errors import LabkitError
from labkit.linux.pidfd import pidfd_send_signal
from labkit.plan.plan import Plan
from labkit.spec.load import load_bundle
from labkit.spec.model import Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Any, Self

    from labkit.engine.trace import Span

__all__ = ["Container", "Result", "stop_spawner"]

_SIGKILL = 9
_CHUNK = 65536


class Result:
    """What a container that was run to its end has left: its exit status, and what it wrote."""

    __slots__ = ("exit_status", "stderr", "stdout")

    def __init__(self, exit_status: int, stdout: bytes, stderr: bytes) -> None:
        self.exit_status = exit_status
        self.stdout = stdout
        self.stderr = stderr

    @property
    def text(self) -> str:
        """stdout as text."""
        return self.stdout.decode(errors="replace")

    def __repr__(self) -> str:
        return f"Result(exit_status={self.exit_status}, stdout={self.stdout!r}, stderr={self.stderr!r})"


class Container:
    """A container that is planned now and made by `start` or `run`.

    `rootfs` is a folder, or an image of `labkit.images`; `args` the command; `limits` and everything else are the
    keywords of `labkit.engine.configure.configure`. `without` names steps of the plan to leave out. Used as a context
    manager it is gone at the end of the block.
    """

    def __init__(
        self,
        rootfs: str | os.PathLike[str],
        args: Iterable[str],
        *,
        id: str | None = None,
        without: Iterable[str] = (),
        **options: Any,
    ) -> None:
        self._set_up(configure(os.fspath(rootfs), args, **options), id, without)

    @classmethod
    def from_bundle(cls, folder: str | os.PathLike[str], id: str | None = None, without: Iterable[str] = ()) -> Self:
        """A container from an OCI bundle: a folder with config.json."""
        return cls.from_spec(load_bundle(os.fspath(folder)), id, without)

    @classmethod
    def from_spec(cls, spec: Spec, id: str | None = None, without: Iterable[str] = ()) -> Self:
        """A container from a checked configuration."""
        container = cls.__new__(cls)
        container._set_up(spec, id, without)
        return container

    def _set_up(self, spec: Spec, id: str | None, without: Iterable[str]) -> None:
        self.id = state.check_id(id) if id is not None else state.new_id()
        self.spec = spec
        plan = prepare(spec, self.id)
        self.plan: Plan = plan.without(without) if without else plan
        self._running: Running | None = None

    def __repr__(self) -> str:
        return f"<Container {self.id}: {' '.join(self.spec.process.args)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.delete()

    def explain(self) -> str:
        """The plan's steps as text: who does what with which system call, and why."""
        return self.plan.explain()

    @property
    def pid(self) -> int:
        """The host's pid of the container's first process; 0 before it was started."""
        return self._running.pid if self._running else 0

    def start(
        self, stdin: int | None = None, stdout: int | None = None, stderr: int | None = None, trace: bool = False
    ) -> Self:
        """Make the container and run its program, with descriptors for stdio (None: this process's own).

        `trace` notes when each step began and ended, for the property of that name. Returns once the program runs.
        Raises StepError with the step's name when a step fails.
        """
        self._check_not_started()
        stdio = (0 if stdin is None else stdin, 1 if stdout is None else stdout, 2 if stderr is None else stderr)
        self._running = Running(self.plan, stdio, trace)
        return self

    @property
    def trace(self) -> list[Span]:
        """Of a container that was started with `trace=True`: (who, step, begin, end) of each step, the times in ns."""
        return self._started().spans

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, 128 + n for a death by signal n; LabkitError when `timeout` seconds pass first."""
        status = self._started().wait(timeout)
        if status is None:
            raise LabkitError(f"container {self.id} still runs after {timeout} s", "kill() ends it")
        return status

    def kill(self, signal: int = _SIGKILL) -> None:
        """Send `signal` to the container's first process; nothing happens when it has ended."""
        running = self._started()
        if running.pidfd >= 0 and running.status is None:
            try:
                pidfd_send_signal(running.pidfd, signal)
            except ProcessLookupError:
                pass  # Ended since, and not yet waited for.

    def run(self, input: bytes = b"", timeout: float | None = None, trace: bool = False) -> Result:
        """Start, write `input` to its stdin, collect stdout and stderr, wait, delete; `trace` as of `start`.

        Raises LabkitError, with the container gone, when `timeout` seconds pass first.
        """
        self._check_not_started()
        inside: list[FileIO] = []
        ours: list[FileIO] = []
        try:
            try:
                for number in range(3):
                    reading, writing = os.pipe2(os.O_CLOEXEC)
                    pair = (FileIO(reading), FileIO(writing, "w"))
                    inside.append(pair[number > 0])
                    ours.append(pair[number == 0])
                self.start(inside[0].fileno(), inside[1].fileno(), inside[2].fileno(), trace)
            except OSError as error:
                raise LabkitError(f"no pipe for stdio: {error.strerror}", hint("", error.errno)) from error
            finally:
                for end in inside:
                    end.close()
            collected = _communicate(ours[0], ours[1], ours[2], input, timeout)
            if collected is None:
                raise LabkitError(f"container {self.id} was ended after {timeout} s", "give it a longer timeout")
            return Result(self.wait(timeout), *collected)
        finally:
            for end in ours:
                end.close()
            self.delete()

    def delete(self) -> None:
        """End the container if it still runs and release everything of it; once more does nothing."""
        running = self._running
        if running is not None and running.pidfd >= 0:
            try:
                if running.status is None:
                    self.kill()
                    running.wait()
            finally:
                running.close()

    def _check_not_started(self) -> None:
        if self._running is not None:
            raise LabkitError(f"container {self.id} was already started", "make a new Container for each run")

    def _started(self) -> Running:
        if self._running is None:
            raise LabkitError(f"container {self.id} was not started", "call start() first")
        return self._running


def _communicate(
    stdin: FileIO, stdout: FileIO, stderr: FileIO, input: bytes, timeout: float | None
) -> tuple[bytes, bytes] | None:
    """Write `input`, read both outputs to their ends; None when the time was up first. Closes `stdin` when written."""
    import time

    deadline = None if timeout is None else time.monotonic() + timeout
    parts: dict[int, list[bytes]] = {stdout.fileno(): [], stderr.fileno(): []}
    poll = select.poll()
    for descriptor in parts:
        poll.register(descriptor, select.POLLIN)
    if input:
        os.set_blocking(stdin.fileno(), False)
        poll.register(stdin.fileno(), select.POLLOUT)
    else:
        stdin.close()
    reading = len(parts)
    while reading:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        events = poll.poll(left)
        if not events:
            return None
        for descriptor, _ in events:
            if descriptor not in parts:
                input = _feed(descriptor, input)
                if not input:
                    poll.unregister(descriptor)
                    stdin.close()
            elif data := os.read(descriptor, _CHUNK):
                parts[descriptor].append(data)
            else:
                poll.unregister(descriptor)
                reading -= 1
    return b"".join(parts[stdout.fileno()]), b"".join(parts[stderr.fileno()])


def _feed(stdin: int, input: bytes) -> bytes:
    try:
        return input[os.write(stdin, input) :]
    except BrokenPipeError:
        return b""  # It does not read its input, which is its own affair.

"""One container's life as its parent sees it, from the first cgroup to the last, as one function to be read down.

It is a generator: wherever it must wait it yields the descriptor it waits for, so that one single-threaded loop can
carry many lives (see `spawner`), or a command line just one (see `foreground`).
"""

from __future__ import annotations

import os
import select
from _socket import socket

from labkit.engine import child, sync
from labkit.engine.hint import hint
from labkit.engine.trace import now
from labkit.errors import LabkitError, StepError
from labkit.plan.build import explain_clone_error
from labkit.plan.plan import Plan
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from labkit.engine.trace import Span
    from labkit.plan.step import Kernel

_SIGKILL = 9


def life(
    plan: Plan,
    stdio: tuple[int, int, int],
    started: Callable[[int, int], None],
    kernel: Kernel,
    trace: list[Span] | None = None,
) -> Generator[int, None, int]:
    """Make the container, wait for its end, undo everything; returns the exit status, 128 + n for a signal n.

    `started` is called with (pid, pidfd) once the program runs, and `trace` then has a span for each step. Raises
    StepError or LabkitError when it could not be made. Whenever the generator is closed or an exception is thrown into
    it, the container is killed and undone.
    """
    scene = Scene(kernel)
    done: list[Step] = []
    pidfd = -1
    channel: socket | None = None
    try:
        for step in plan.before:
            _apply(step, scene, trace)
            done.append(step)
        channel, theirs = _pair()
        scene.release = lambda: _release(channel)
        began = now()
        try:
            scene.pid, pidfd = kernel.clone3(plan.clone_flags(), scene.cgroup)
        except OSError as error:
            theirs.close()
            raise explain_clone_error(error, "user" in plan.clone) from error
        if scene.pid == 0:
            channel.close()
            child.run(plan.child, theirs, stdio, scene, trace is not None)
        theirs.close()
        if trace is not None:
            trace.append(("parent", "Clone", began, now()))
        for step in plan.after:
            try:
                _apply(step, scene, trace)
            except LabkitError:
                # A child that has failed meanwhile is no longer there to be worked on; what it says comes first.
                _raise_report(channel)
                raise
            done.append(step)
        yield from _until_running(channel, trace)
        channel.close()
        started(scene.pid, pidfd)
        yield pidfd
        status = kernel.wait_exit(pidfd)
        os.close(pidfd)
        pidfd = -1
        return int(status)
    finally:
        if channel is not None:
            channel.close()
        if pidfd >= 0:
            kernel.pidfd_send_signal(pidfd, _SIGKILL)
            kernel.wait_exit(pidfd)
            os.close(pidfd)
        _undo(done, scene)


def _undo(done: list[Step], scene: Scene) -> None:
    """Undo every step, the last first; one that fails does not keep the others from being undone."""
    failures = []
    for step in reversed(done):
        try:
            step.undo(scene)
        except OSError as error:
            failures.append(f"{type(step).__name__}: {error.filename}: {error.strerror}")
    if failures:
        raise LabkitError(f"the container is gone, but something is left: {'; '.join(failures)}", "try: labkit gc")


def _apply(step: Step, scene: Scene, trace: list[Span] | None) -> None:
    try:
        began = now()
        step.apply(scene)
        if trace is not None:
            trace.append(("parent", type(step).__name__, began, now()))
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        name = type(step).__name__
        text = f"{about}{error.strerror}"
        raise StepError(name, error.errno or 0, text, hint(name, error.errno)) from error


def _pair() -> tuple[socket, socket]:
    try:
        return sync.pair()
    except OSError as error:
        raise StepError("Clone", error.errno or 0, error.strerror or "", hint("Clone", error.errno)) from error


def _raise_report(channel: socket) -> None:
    """Raise the error that the child has sent, if it has sent one."""
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    if poll.poll(0):
        try:
            _receive(channel)
        except sync.Dead:
            pass


def _receive(channel: socket) -> tuple[Any, ...]:
    message, _ = sync.receive(channel)
    if message[0] == "error":
        _, name, number, text, advice, status = message
        raise StepError(name, number, text, advice, status)
    return message


def _release(channel: socket) -> None:
    try:
        sync.send(channel, ("go",))
    except sync.Dead:
        raise _died() from None


def _until_running(channel: socket, trace: list[Span] | None) -> Generator[int, None, None]:
    """Wait until the child's execve has closed its end; the last message before tells whether it was reached."""
    ready: tuple[Any, ...] | None = None
    while True:
        yield channel.fileno()
        try:
            ready = _receive(channel)
        except sync.Dead:
            if ready is None:
                raise _died() from None
            if trace is not None:
                _, spans, since = ready
                trace += [*spans, ("child", "Execute", since, now())]
            return


def _died() -> LabkitError:
    return LabkitError("the container's process died before it could run its program", "is its memory limit too low?")

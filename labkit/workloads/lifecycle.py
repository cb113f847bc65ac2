"""The operations of the engine's benchmark: a life in three commands, `state`, and many lives at a time."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.linux.pidfd import pidfd_open, wait_exit
from labkit.runtimes import Runtime
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.process import spawn
from labkit.runtimes.trial_run import last_words_in
from labkit.workloads.measurement import Measurement

TIMEOUT = 60.0


def create_start_delete(runtime: OciRuntime, place: str, id: str, log: int) -> list[Measurement]:
    """The commands create, start and delete of the bundle `place`, one after the other.

    Between the last two the program's end is waited for, so that all runtimes remove a container that has ended.
    Raises LabkitError, with nothing left of the container, when one of them fails.
    """
    command = runtime.command()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        with _nothing() as null:
            asked = time.monotonic_ns()
            try:
                _call(runtime, [*command, "create", "--bundle", place, id], (null, writing, log))
            finally:
                os.close(writing)
            try:
                _call(runtime, [*command, "start", id], (null, null, log))
                _to_the_end(reading)
                _call(runtime, [*command, "delete", "--force", id], (null, null, log))
                end = time.monotonic_ns()
            except BaseException:
                runtime.remove(id)
                raise
    finally:
        os.close(reading)
    return [Measurement("create_start_delete", "s", (end - asked) / 1e9)]


@contextmanager
def created(runtime: OciRuntime, place: str, id: str, log: int) -> Iterator[str]:
    """A container that waits to be started, as long as the context lasts; yields its id."""
    with _nothing() as null:
        try:
            _call(runtime, [*runtime.command(), "create", "--bundle", place, id], (null, null, log))
            yield id
        finally:
            runtime.remove(id)


def state(runtime: OciRuntime, id: str, log: int) -> list[Measurement]:
    """The command `state` for a container that is there."""
    with _nothing() as null:
        taken = _call(runtime, [*runtime.command(), "state", id], (null, null, log))
    return [Measurement("state", "s", taken)]


def bare_python(log: int) -> list[Measurement]:
    """The interpreter alone, as labkit-oci starts it, with nothing to do."""
    with _nothing() as null:
        taken = _ended(
            *spawn(sys.executable, [sys.executable, "-I", "-S", "-c", "0"], _environment(), (null, null, log))
        )
    return [Measurement("state", "s", taken)]


def many(runtime: Runtime, place: str, ids: Sequence[str], log: int, at_a_time: int) -> list[Measurement]:
    """Whole lives of the bundle `place`, one for each id, so many at a time; what counts is containers per second.

    Raises LabkitError, with nothing left of any of them, when one does not run as it should.
    """
    with _nothing() as null, ThreadPoolExecutor(at_a_time) as pool:
        # Threads are made before the clock starts.
        list(pool.map(lambda _: time.sleep(0.001), range(at_a_time)))
        asked = time.monotonic_ns()
        statuses = list(pool.map(lambda id: _life(runtime, place, id, (null, null, log)), ids))
        end = time.monotonic_ns()
    if any(statuses):
        raise LabkitError(f"exit status {max(statuses)}: {last_words_in(log)}", "see the trial's log")
    return [Measurement("throughput", "1/s", len(ids) / ((end - asked) / 1e9))]


def _life(runtime: Runtime, place: str, id: str, stdio: tuple[int, int, int]) -> int:
    sandbox = runtime.start(place, id, stdio)
    try:
        return sandbox.wait(TIMEOUT)
    finally:
        sandbox.delete()


@contextmanager
def _nothing() -> Iterator[int]:
    """A descriptor of /dev/null."""
    descriptor = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _call(runtime: OciRuntime, argv: list[str], stdio: tuple[int, int, int]) -> float:
    """Run one command to its end, in the way that the driver starts its runtime; returns the seconds it took."""
    try:
        return _ended(*runtime.spawn(argv, stdio))
    except _Failed as error:
        verb = next(word for word in argv if word in ("create", "start", "state", "delete"))
        raise LabkitError(f"{verb} {error.message}: {last_words_in(stdio[2])}", "see the trial's log") from error


class _Failed(LabkitError):
    """A command that ended with a status, or did not end."""


def _ended(asked: int, pid: int) -> float:
    """Wait for a process that was started at `asked`; returns the seconds from then to its end."""
    pidfd = pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(TIMEOUT * 1000):
            os.kill(pid, 9)
            wait_exit(pidfd)
            raise _Failed(f"did not end within {TIMEOUT:g} s")
        status = wait_exit(pidfd)
        end = time.monotonic_ns()
    finally:
        os.close(pidfd)
    if status:
        raise _Failed(f"ended with status {status}")
    return (end - asked) / 1e9


def _to_the_end(reading: int) -> None:
    """Read what the payload writes, until nobody is left who could write."""
    output = b""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    while poll.poll(TIMEOUT * 1000):
        piece = os.read(reading, 16)
        if not piece:
            break
        output += piece
    if output != payload.OUTPUT:
        raise LabkitError(f"the program wrote {output!r}, not {payload.OUTPUT!r}", "see the trial's log")

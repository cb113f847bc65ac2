"""A program run to its end with pipes, or a terminal, as its stdio: input goes in, and what it writes is collected."""

from __future__ import annotations

import os
import select

# Closed once, whoever closes it: the number of a descriptor closed twice may by then be another thread's.
from _io import FileIO

from labkit.engine.hint import hint
from labkit.errors import LabkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65536
# What ends the input of a program that reads a terminal line by line (termios(3), VEOF).
_END_OF_INPUT = b"\x04"


class Result:
    """What a program that was run to its end has left: its exit status, and what it wrote.

    `reason` says why the kernel killed it, where it did: "killed: out of memory, limit 64 MiB, peak 64 MiB". From a
    terminal all comes as `stdout`.
    """

    __slots__ = ("exit_status", "reason", "stderr", "stdout")

    def __init__(self, exit_status: int, stdout: bytes, stderr: bytes, reason: str | None = None) -> None:
        self.exit_status = exit_status
        self.stdout = stdout
        self.stderr = stderr
        self.reason = reason

    @property
    def text(self) -> str:
        """stdout as text."""
        return self.stdout.decode(errors="replace")

    def __repr__(self) -> str:
        reason = f", reason={self.reason!r}" if self.reason else ""
        return f"Result(exit_status={self.exit_status}, stdout={self.stdout!r}, stderr={self.stderr!r}{reason})"


def through_pipes(
    begin: Callable[[int, int, int], object], input: bytes, timeout: float | None
) -> tuple[bytes, bytes] | None:
    """Start a program with `begin(stdin, stdout, stderr)`, write `input`, and read both outputs to their ends.

    None when `timeout` seconds passed first.
    """
    inside: list[FileIO] = []
    ours: list[FileIO] = []
    try:
        try:
            try:
                for number in range(3):
                    reading, writing = os.pipe2(os.O_CLOEXEC)
                    pair = (FileIO(reading), FileIO(writing, "w"))
                    inside.append(pair[number > 0])
                    ours.append(pair[number == 0])
            except OSError as error:
                raise LabkitError(f"no pipe for stdio: {error.strerror}", hint("", error.errno)) from error
            begin(inside[0].fileno(), inside[1].fileno(), inside[2].fileno())
        finally:
            for end in inside:
                end.close()
        return _communicate(ours[0], ours[1], ours[2], input, timeout)
    finally:
        for end in ours:
            end.close()


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


def through_terminal(master: FileIO, input: bytes, timeout: float | None) -> tuple[bytes, bytes] | None:
    """Type `input` and its end into a terminal, and read what it shows until no process has it open.

    Returns that and no stderr, or None when `timeout` seconds passed first.
    """
    import time

    deadline = None if timeout is None else time.monotonic() + timeout
    # At the beginning of a line it ends the input, anywhere else only the line.
    input += _END_OF_INPUT if not input or input.endswith(b"\n") else 2 * _END_OF_INPUT
    shown = []
    os.set_blocking(master.fileno(), False)
    poll = select.poll()
    poll.register(master.fileno(), select.POLLIN | select.POLLOUT)
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        events = poll.poll(left)
        if not events:
            return None
        event = events[0][1]
        if event & (select.POLLIN | select.POLLHUP):
            try:
                shown.append(os.read(master.fileno(), _CHUNK))
            except OSError:
                return b"".join(shown), b""  # EIO: the last process that had it open has closed it (pts(4)).
        elif input:
            input = input[os.write(master.fileno(), input) :]
        if not input:
            poll.modify(master.fileno(), select.POLLIN)

"""The client's side of the spawner: starting it, asking it for a container, stopping it."""

from __future__ import annotations

import atexit
import errno
import os
import threading
from _socket import socket
from contextlib import suppress

from labkit.engine import sync
from labkit.engine.hint import hint
from labkit.errors import LabkitError, StepError
from labkit.linux.descriptors import readable
from labkit.linux.interpreter import open_unwritable
from labkit.linux.pidfd import pidfd_send_signal
from labkit.plan.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any

    from labkit.engine.trace import Span

_SIGKILL = 9

_lock = threading.Lock()
_spawner: subprocess.Popen[bytes] | None = None
_control: socket | None = None

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[2]); from labkit.engine.spawner import main; main(int(sys.argv[1]))"


def start_spawner() -> socket:
    """The socket to this process's spawner, which is started the first time and after it died."""
    global _spawner, _control
    with _lock:
        if _control is not None and _spawner is not None and _spawner.poll() is None:
            return _control
        import subprocess
        import sys

        if _control is not None:
            _control.close()
        mine, theirs = sync.pair()
        package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        number = theirs.fileno()
        # -I -S: neither the environment nor site-packages are its business, and it starts in half the time.
        arguments = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(number), package]
        # What it clones enters containers that run already, and must not give them a way to the interpreter's file.
        program = open_unwritable(os.path.realpath(sys.executable))
        _spawner = subprocess.Popen(
            arguments,
            executable=f"/proc/{os.getpid()}/fd/{program}",
            pass_fds=(number,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(program)
        theirs.close()
        _control = mine
        atexit.register(stop_spawner)
        return mine


def stop_spawner() -> None:
    """End the spawner, and with it every container of this process; the next start is a cold one."""
    global _spawner, _control
    with _lock:
        if _control is not None:
            _control.close()
        if _spawner is not None:
            _spawner.wait()
        _spawner = _control = None
    atexit.unregister(stop_spawner)


class Running:
    """A container in the spawner's care: its process, and the socket on which its end will be told."""

    __slots__ = ("pid", "pidfd", "reason", "reply", "spans", "status", "turn")

    def __init__(self, plan: Plan, stdio: tuple[int, ...], traced: bool = False) -> None:
        """Ask for the container and wait until its program runs; raises StepError or LabkitError when it cannot."""
        self.pid = 0
        self.pidfd = -1
        self.spans: list[Span] = []
        self.reason: str | None = None
        self.status: int | None = None
        self.turn = threading.Lock()
        try:
            self.reply, theirs = sync.pair()
        except OSError as error:
            raise _cannot_ask(error) from error
        try:
            try:
                sync.send(start_spawner(), ("run", plan.encode(), traced), (theirs.fileno(), *stdio))
            finally:
                theirs.close()
            message, descriptors = self._next()
            if message[0] == "started":
                self.pid, self.pidfd, self.spans = int(message[1]), descriptors[0], message[2]
        except sync.Dead:
            self.close()
            raise _no_answer() from None
        except OSError as error:
            self.close()
            if error.errno == errno.EBADF:
                raise LabkitError("one of stdin, stdout and stderr is not an open descriptor", "give others") from error
            raise _cannot_ask(error) from error
        except BaseException:
            # Interrupted (Ctrl-C in a notebook): the spawner kills a container whose socket is closed.
            self.close()
            raise

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status, or None when `timeout` seconds pass first; any thread may ask, and more than once."""
        if not self.turn.acquire(timeout=-1 if timeout is None else timeout):
            return None
        try:
            if self.status is None:
                if not readable(self.reply.fileno(), None if timeout is None else max(0, int(timeout * 1000))):
                    return None
                try:
                    self._next()
                except sync.Dead:
                    raise _spawner_killed() from None
            return self.status
        finally:
            self.turn.release()

    def ended(self, patience: float) -> bool:
        """Whether it has ended, after waiting so many seconds at most for that."""
        pidfd = self.pidfd
        if pidfd < 0 or self.status is not None:
            return True
        return readable(pidfd, int(patience * 1000))

    def end(self) -> None:
        """Kill it, and wait for that: a second at most, since one that is paused dies only when it goes on."""
        if self.pidfd >= 0:
            try:
                if self.status is None:
                    pidfd_send_signal(self.pidfd, _SIGKILL)
                    self.wait(1.0)
            except ProcessLookupError:
                pass  # It has ended since.
            finally:
                self.close()

    def close(self) -> None:
        """Close the descriptors; a container that still runs is killed by the spawner."""
        # Forgotten before it is closed: an interrupt between the two must not close the number twice.
        pidfd, self.pidfd = self.pidfd, -1
        if pidfd >= 0:
            os.close(pidfd)
        if self.status is not None and self.reply.fileno() >= 0:
            # The end of file says that the spawner, too, has closed all it held for this container.
            with suppress(sync.Dead):
                self._next()
        self.reply.close()

    def __del__(self) -> None:
        # One that was dropped, or interrupted before anybody had it, or even before it had its socket.
        if hasattr(self, "reply"):
            self.close()

    def _next(self) -> tuple[tuple[Any, ...], list[int]]:
        message, descriptors = sync.receive(self.reply)
        while message[0] == "warning":
            warn(message[1])
            message, descriptors = sync.receive(self.reply)
        if message[0] == "failed":
            _, step, number, text, advice, status = message
            if step:
                raise StepError(step, number, text.removeprefix(f"{step}: "), advice, status)
            raise LabkitError(text, advice, status)
        if message[0] == "exited":
            # In this order: who sees the status may look for the reason.
            self.reason = message[2]
            self.status = message[1]
        return message, descriptors


def warn(text: str) -> None:
    """Warn of what the specification says is no error, such as a poststart hook that fails."""
    import warnings

    warnings.warn(text, stacklevel=4)


def _cannot_ask(error: OSError) -> LabkitError:
    return LabkitError(f"the container cannot be asked for: {error.strerror}", hint("", error.errno))


def _no_answer() -> LabkitError:
    import subprocess

    try:
        # A process that is killed closes its sockets a moment before it can be waited for.
        if _spawner is not None:
            _spawner.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        return LabkitError("the process that makes containers turned this one away", hint("", errno.EMFILE))
    return _spawner_killed()


def _spawner_killed() -> LabkitError:
    return LabkitError("the process that makes containers was killed", "remove what it left with: labkit gc")


def _forget() -> None:
    """In a forked copy of this process: the spawner is the original's, and so may be a lock that was held."""
    global _lock, _spawner, _control
    _lock = threading.Lock()
    if _control is not None:
        _control.close()
    _spawner = _control = None


os.register_at_fork(after_in_child=_forget)

"""The client's side of the spawner: starting it, asking it for a container, stopping it."""

from __future__ import annotations

import atexit
import os
import select
import threading
from _socket import socket

from labkit.engine import sync
from labkit.errors import LabkitError, StepError
from labkit.plan.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

_lock = threading.Lock()
_spawner: subprocess.Popen[bytes] | None = None
_control: socket | None = None
_owner = 0

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[2]); from labkit.engine.spawner import main; main(int(sys.argv[1]))"


def start_spawner() -> socket:
    """The socket to this process's spawner, which is started the first time and after it died."""
    global _spawner, _control, _owner
    with _lock:
        # A forked copy of this process must have a spawner of its own.
        if _control is not None and _spawner is not None and _owner == os.getpid() and _spawner.poll() is None:
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
        _spawner = subprocess.Popen(
            arguments, pass_fds=(number,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        _control, _owner = mine, os.getpid()
        atexit.register(stop_spawner)
        return mine


def stop_spawner() -> None:
    """End the spawner, and with it every container of this process; the next start is a cold one."""
    global _spawner, _control
    with _lock:
        if _control is not None:
            _control.close()
        if _spawner is not None and _owner == os.getpid():
            _spawner.wait()
        _spawner = _control = None
    atexit.unregister(stop_spawner)


class Running:
    """A container in the spawner's care: its process, and the socket on which its end will be told."""

    __slots__ = ("pid", "pidfd", "reply", "status")

    def __init__(self, plan: Plan, stdio: tuple[int, int, int]) -> None:
        """Ask for the container and wait until its program runs; raises StepError or LabkitError when it cannot."""
        self.pid = 0
        self.pidfd = -1
        self.status: int | None = None
        self.reply, theirs = sync.pair()
        try:
            sync.send(start_spawner(), ("run", plan.encode()), (theirs.fileno(), *stdio))
        except sync.Dead:
            raise _spawner_died() from None
        finally:
            theirs.close()
        message, descriptors = self._next()
        if message[0] == "started":
            self.pid, self.pidfd = message[1], descriptors[0]

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit status, or None when `timeout` seconds pass first."""
        if self.status is None:
            poll = select.poll()
            poll.register(self.reply.fileno(), select.POLLIN)
            if not poll.poll(None if timeout is None else max(0, int(timeout * 1000))):
                return None
            self._next()
        return self.status

    def close(self) -> None:
        """Close the descriptors; a container that still runs is killed by the spawner."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        self.reply.close()

    def _next(self) -> tuple[tuple[object, ...], list[int]]:
        try:
            message, descriptors = sync.receive(self.reply)
        except sync.Dead:
            raise _spawner_died() from None
        if message[0] == "failed":
            _, step, number, text, hint, status = message
            if step:
                raise StepError(step, number, text.removeprefix(f"{step}: "), hint, status)
            raise LabkitError(text, hint, status)
        if message[0] == "exited":
            self.status = message[1]
        return message, descriptors


def _spawner_died() -> LabkitError:
    return LabkitError("the process that makes containers was killed", "remove what it left with: labkit gc")

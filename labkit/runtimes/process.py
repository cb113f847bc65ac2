"""A sandbox whose runtime is a command line: one process to wait for, and a command that removes what is left."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from labkit.errors import LabkitError
from labkit.linux.libc import syscall
from labkit.linux.pidfd import CLD_EXITED, pidfd_open, pidfd_send_signal
from labkit.runtimes.protocol import DEADLINE

_DELETE_DEADLINE = 10.0
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37


class ProcessSandbox:
    """A runtime's process in the foreground; `remove` is called by delete() when it did not end of itself.

    `lost` is the signal that killed the process itself; 0 while it lives and when it ended with a status.
    """

    __slots__ = ("asked", "lost", "pid", "pidfd", "remove", "status")

    def __init__(self, asked: int, pid: int, remove: Callable[[], None]) -> None:
        self.asked = asked
        self.pid = pid
        self.pidfd = pidfd_open(pid)
        self.remove = remove
        self.status: int | None = None
        self.lost = 0

    def start(self, timeout: float = DEADLINE) -> None:
        """See Sandbox.start."""
        raise LabkitError("the sandbox was started when it was made", "create() makes one that start() starts")

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        if self.status is None:
            if not self.ended(timeout):
                raise LabkitError(f"the sandbox still runs after {timeout:g} s", "give it more time, or see its log")
            self._reap()
        assert self.status is not None
        return self.status

    def ended(self, timeout: float | None = 0) -> bool:
        """Whether the process has ended, at the latest after `timeout` seconds (None: it is waited for)."""
        if self.status is not None:
            return True
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def kill(self, number: int = signal.SIGKILL, timeout: float = DEADLINE) -> None:
        """See Sandbox.kill: here the process is the payload."""
        if not self.ended():
            pidfd_send_signal(self.pidfd, number)

    def exec(self, args: Sequence[str], stdio: tuple[int, int, int], timeout: float = DEADLINE) -> int:
        """See Sandbox.exec."""
        raise LabkitError("this runtime runs one program in a sandbox, and no second", "see its driver's `lacks`")

    def delete(self) -> None:
        """See Sandbox.delete."""
        if self.pidfd < 0:
            return
        if self.status is None:
            self._end()
        elif self._leaves():
            self.remove()
        os.close(self.pidfd)
        self.pidfd = -1

    def _end(self) -> None:
        """The runtime is told to remove its sandbox, then its process group is killed."""
        self.remove()
        # Not yet waited for, so that the number is still this group's.
        os.killpg(self.pid, signal.SIGKILL)
        if not self.ended(_DELETE_DEADLINE):
            raise LabkitError(f"process {self.pid} of the runtime does not end", f"see: cat /proc/{self.pid}/stack")
        self._reap()
        # What the runtime made while it was being killed.
        self.remove()

    def _leaves(self) -> bool:
        """Whether a process that has ended may have left something of its sandbox."""
        return False

    def _reap(self) -> None:
        result = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        assert result is not None  # only WNOHANG gives None
        self.lost = 0 if result.si_code == CLD_EXITED else result.si_status
        self.status = 128 + self.lost if self.lost else result.si_status


def spawn(program: str, argv: list[str], env: dict[str, str], stdio: tuple[int, int, int]) -> tuple[int, int]:
    """Start a program by posix_spawn(3), which costs a large process no more than a small one.

    Returns (the moment before on CLOCK_MONOTONIC in ns, pid). It is in a process group of its own, so that a Ctrl-C
    reaches it through its driver alone. Raises LabkitError when it cannot be started.
    """
    moves = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(stdio)]
    try:
        asked = time.monotonic_ns()
        return asked, os.posix_spawn(program, argv, env, file_actions=moves, setpgroup=0)
    except OSError as error:
        status = {errno.ENOENT: 127, errno.EACCES: 126, errno.ENOEXEC: 126}.get(error.errno or 0, 125)
        raise LabkitError(f"{program}: {error.strerror}", "labkit doctor says what is installed", status) from error


def refuse_second(living: dict[str, ProcessSandbox], id: str) -> None:
    """Raise LabkitError when a sandbox `id` is among those of a driver whose runtime knows no ids."""
    for other in [known for known, sandbox in living.items() if sandbox.pidfd < 0]:
        del living[other]
    if id in living:
        raise LabkitError(f"there is a sandbox with the id {id!r}", "choose another, or delete that one")


def ended_within(pid: int, timeout: float) -> ProcessSandbox | None:
    """The child `pid` once it has ended; None, with its process group killed, when `timeout` seconds pass first."""
    process = ProcessSandbox(0, pid, lambda: None)
    try:
        if process.ended(timeout):
            process.wait(None)
            return process
        os.killpg(pid, signal.SIGKILL)
        process.wait(_DELETE_DEADLINE)
        return None
    finally:
        os.close(process.pidfd)


@contextmanager
def adopting() -> Iterator[None]:
    """Let what loses its parent meanwhile become this process's child, which can then wait for it (prctl(2))."""
    before = ctypes.c_int()
    syscall("prctl", _PR_GET_CHILD_SUBREAPER, ctypes.addressof(before), 0, 0, 0)
    syscall("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        syscall("prctl", _PR_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)

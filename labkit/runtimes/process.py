"""A sandbox whose runtime is a command line: one process to wait for, and a command that removes what is left."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Callable

from labkit.errors import LabkitError
from labkit.linux.pidfd import pidfd_open, wait_exit

_DELETE_DEADLINE = 10.0


class ProcessSandbox:
    """A runtime's process in the foreground; `remove` is called by delete() when it did not end of itself."""

    __slots__ = ("asked", "pid", "pidfd", "remove", "status")

    def __init__(self, asked: int, pid: int, remove: Callable[[], None]) -> None:
        self.asked = asked
        self.pid = pid
        self.pidfd = pidfd_open(pid)
        self.remove = remove
        self.status: int | None = None

    def wait(self, timeout: float | None) -> int:
        """See Sandbox.wait."""
        if self.status is None:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            if not poll.poll(None if timeout is None else timeout * 1000):
                raise LabkitError(f"the sandbox still runs after {timeout:g} s", "give it more time, or see its log")
            self.status = wait_exit(self.pidfd)
        return self.status

    def kill(self) -> None:
        """See Sandbox.kill: the runtime is told to remove its sandbox, then its process group is killed."""
        if self.status is None:
            self.remove()
            # Not yet waited for, so that the number is still this group's.
            os.killpg(self.pid, signal.SIGKILL)

    def delete(self) -> None:
        """See Sandbox.delete."""
        if self.pidfd < 0:
            return
        if self.status is None:
            self.kill()
            self.wait(_DELETE_DEADLINE)
            # What the runtime made while it was being killed.
            self.remove()
        os.close(self.pidfd)
        self.pidfd = -1


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

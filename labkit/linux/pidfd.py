"""Processes by descriptor, so that a recycled pid is never signalled: pidfd_open(2), pidfd_send_signal(2)."""

from __future__ import annotations

import os

from labkit.linux.libc import syscall

CLD_EXITED = 1


def pidfd_open(pid: int) -> int:
    """A close-on-exec descriptor for process `pid`; readable once the process has ended."""
    return syscall("pidfd_open", pid, 0, path=f"/proc/{pid}")


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """Send `signal`; raises ProcessLookupError when the process has been reaped."""
    syscall("pidfd_send_signal", pidfd, signal, None, 0)


def wait_exit(pidfd: int) -> int:
    """Reap the child of `pidfd` and return its exit status, 128 + n for a death by signal n (waitid(2))."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    assert result is not None  # only WNOHANG gives None
    return result.si_status if result.si_code == CLD_EXITED else 128 + result.si_status

"""Processes by descriptor, so that a recycled pid is never signalled: pidfd_open(2), pidfd_send_signal(2)."""

from __future__ import annotations

import _signal

from labkit.linux import os

CLD_EXITED = 1


def pidfd_open(pid: int) -> int:
    """A close-on-exec descriptor for process `pid`; readable once the process has ended."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"/proc/{pid}") from error


def pidfd_send_signal(pidfd: int, signal: int) -> None:
    """Send `signal`; raises ProcessLookupError when the process has been reaped."""
    _signal.pidfd_send_signal(pidfd, signal)


def wait_exit(pidfd: int) -> int:
    """Reap the child of `pidfd` and return its exit status, 128 + n for a death by signal n (waitid(2))."""
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    assert result is not None  # only WNOHANG gives None
    return result.si_status if result.si_code == CLD_EXITED else 128 + result.si_status

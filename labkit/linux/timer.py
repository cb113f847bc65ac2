"""A descriptor that becomes readable after a while: timerfd_create(2), which Python has from 3.13 on."""

from __future__ import annotations

from _struct import pack

from labkit.linux import os
from labkit.linux.libc import syscall

_CLOCK_MONOTONIC = 1
_TFD_CLOEXEC = os.O_CLOEXEC


# struct itimerspec of timerfd_settime(2): the interval, and the first time it expires, each in seconds and nanoseconds.
ITIMERSPEC = "=4q"


def timer(nanoseconds: int) -> int:
    """A descriptor that is readable, once and for all, when so many nanoseconds have passed."""
    descriptor = syscall("timerfd_create", _CLOCK_MONOTONIC, _TFD_CLOEXEC)
    try:
        seconds, rest = divmod(nanoseconds, 10**9)
        syscall("timerfd_settime", descriptor, 0, pack(ITIMERSPEC, 0, 0, seconds, rest), None)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor

"""How fast this processor's time stamp counter runs, which an emulated guest reads as its own."""

from __future__ import annotations

import ctypes
import mmap
import time
from collections.abc import Callable

_SPAN = 0.01  # seconds: a reading of both clocks takes less than a hundred thousandth of it
_TRIES = 5
# rdtsc; shl $32, %rdx; or %rdx, %rax; ret
_CODE = bytes.fromhex("0f3148c1e2204809d0c3")


def kilohertz() -> int:
    """The counter's frequency, measured in 10 ms.  Source: Intel SDM volume 2, RDTSC.

    Raises OSError where the kernel lets this process execute no memory that it wrote.
    """
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_CODE)
    place = ctypes.c_char.from_buffer(page)
    counter = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(place))
    first = _both(counter)
    time.sleep(_SPAN)
    second = _both(counter)
    # The page cannot be given back while something points into it.
    del counter, place
    page.close()
    return round((second[1] - first[1]) * 1_000_000 / (second[0] - first[0]))


def _both(counter: Callable[[], int]) -> tuple[int, int]:
    """(ns of CLOCK_MONOTONIC_RAW, the counter), of some readings the one that was least interrupted."""
    readings = []
    for _ in range(_TRIES):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        count = counter()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        readings.append((after - before, (before + after) // 2, count))
    return min(readings)[1:]

"""Memory: bandwidth of arrays that no cache holds, as in McCalpin's STREAM.

In numpy each pass over the arrays is a loop in C. numpy's triad takes two passes, so it moves five arrays' bytes where
STREAM's moves three.
"""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number

# 32 MiB each.
_LENGTH = 4 * 2**20
_PROGRAM = """
import sys, time
import numpy
length, repetitions = int(sys.argv[1]), int(sys.argv[2])
a, b, c = (numpy.full(length, value) for value in (0.0, 1.0, 2.0))
def rate(arrays, act):
    act()
    begin = time.perf_counter()
    for _ in range(repetitions):
        act()
    return arrays * 8 * length * repetitions / (time.perf_counter() - begin)
def triad():
    numpy.multiply(c, 3.0, out=a)
    numpy.add(a, b, out=a)
print("copy", rate(2, lambda: numpy.copyto(a, b)))
print("triad", rate(5, triad))
"""


def args(scale: float) -> tuple[str, ...]:
    """A fixed number of repetitions."""
    return ("python3", "-c", _PROGRAM, str(_LENGTH), str(max(1, round(6 * scale))))


def parse(text: str) -> list[Measurement]:
    """The rates of bytes read and written."""
    return [
        Measurement("throughput", "bytes/s", number(r"^triad ([\d.e+]+)$", text, "the triad's rate")),
        Measurement("copy", "bytes/s", number(r"^copy ([\d.e+]+)$", text, "the copy's rate")),
    ]


WORKLOAD = Workload(
    "triad", "memory", "a = 3c + b over arrays of 32 MiB, in numpy", ("python3-numpy",), args, parse, "throughput"
)

"""Python: the import of numpy, a loop of the interpreter's, and numpy's arrays."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number

_PROGRAM = """
import sys, time
begin = time.perf_counter()
import numpy
imported = time.perf_counter()
scale = float(sys.argv[1])
words = {}
for number in range(round(300_000 * scale)):
    word = str(number % 1000)
    words[word] = words.get(word, 0) + number
looped = time.perf_counter()
draw = numpy.random.default_rng(1)
for _ in range(max(1, round(3 * scale))):
    a = draw.random((250, 250))
    numpy.linalg.solve(a @ a.T + numpy.eye(250), a)
    numpy.sort(draw.random(200_000))
end = time.perf_counter()
print("import", imported - begin)
print("loop", looped - imported)
print("arrays", end - looped)
"""


def args(scale: float) -> tuple[str, ...]:
    """python3(1)."""
    return ("env", "OPENBLAS_NUM_THREADS=1", "python3", "-c", _PROGRAM, f"{scale:g}")


def parse(text: str) -> list[Measurement]:
    """How long each part took, and all."""
    parts = [
        Measurement(name, "s", number(rf"^{name} ([\d.e-]+)$", text, f"its {name}"))
        for name in ("import", "loop", "arrays")
    ]
    return [Measurement("run_time", "s", sum(part.value for part in parts)), *parts]


WORKLOAD = Workload(
    "python",
    "applications",
    "import of numpy, 300 000 rounds of a loop, linear algebra",
    ("python3-numpy",),
    args,
    parse,
    "run_time",
    higher=False,
    core=True,
)

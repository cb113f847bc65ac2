"""A container's statistics over time as tidy rows: from what labkit.cgroups reads, one row per time and figure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

COLUMNS = ("time", "metric", "part", "unit", "value")
# The unit of a figure by the beginning of its name; the first that fits.
_UNITS = (
    ("cpu.usage.", "ns"),
    ("cpu.throttling.throttledTime", "ns"),
    ("cpu.throttling.", "1"),
    ("memory.raw.pg", "1"),
    ("memory.event_count.", "1"),
    ("memory.", "B"),
    ("blkio.ioServiceBytes", "B"),
    ("hugetlb.", "B"),
)


def frame(samples: Iterable[tuple[float, Mapping[str, Any]]]) -> pd.DataFrame:
    """Samples of (time in seconds, statistics) as rows of time, metric, part, unit and value.

    The statistics are those of `labkit.cgroups.statistics.read`, or a flat mapping such as `Sampler.read` gives.
    `metric` is the path of a figure, such as `memory.usage.max`; `part` is the CPU or the device and the direction of
    one that has parts, else "". `unit` is ns, B, us, % or 1.
    """
    rows = [
        (time, metric, part, _unit(metric), value)
        for time, tree in samples
        for metric, part, value in _figures("", tree)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _figures(path: str, value: Any) -> Iterator[tuple[str, str, float]]:
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _figures(f"{path}.{name}" if path else name, below)
    elif isinstance(value, list) and not path.startswith("cpuset."):
        for index, one in enumerate(value):
            if isinstance(one, Mapping):
                yield path, f"{one['major']}:{one['minor']} {one['op']}".strip(), one["value"]
            else:
                yield path, str(index), one
    elif isinstance(value, int | float):
        yield path, "", value


def _unit(metric: str) -> str:
    last = metric.rpartition(".")[2]
    if ".psi." in metric:
        return "us" if last == "total" else "%"
    if last == "failcnt":
        return "1"
    if last.endswith(("_ns", "_bytes")):
        return "ns" if last.endswith("_ns") else "B"
    return next((unit for beginning, unit in _UNITS if metric.startswith(beginning)), "1")

"""When each step of a container's making began and ended: who did it, its name, and two readings of one clock.

The clock is CLOCK_REALTIME, since a time namespace shifts all others (time_namespaces(7)). The last steps, a filter
and the execve, have nobody left to tell of them; `Execute` stands for both, and ends when the parent sees that the
program runs.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    # (parent or child, step, begin, end); the times in ns.
    Span = tuple[str, str, int, int]


def now() -> int:
    """The clock's reading in ns."""
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def table(spans: Iterable[Span], width: int = 40) -> str:
    """The spans as lines: who, step, microseconds from the beginning, microseconds it took, and a bar to scale."""
    rows = sorted(spans, key=lambda span: span[2])
    if not rows:
        return "no step was traced"
    start, end = rows[0][2], max(span[3] for span in rows)
    scale = width / max(1, end - start)
    lines = [f"{'who':<6}  {'step':<22} {'begin/us':>8} {'took/us':>8}"]
    for who, step, begin, finish in rows:
        left = int((begin - start) * scale)
        bar = " " * left + "#" * max(1, int((finish - start) * scale) - left)
        lines.append(f"{who:<6}  {step:<22} {(begin - start) // 1000:>8} {(finish - begin) // 1000:>8}  {bar}".rstrip())
    lines.append(f"{'':6}  {'until the program runs':<22} {'':>8} {(end - start) // 1000:>8}")
    return "\n".join(lines)

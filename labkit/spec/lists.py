"""Lists of CPUs and memory nodes as the kernel writes them: `0-3,7` (cpuset(7), List format)."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.section import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Far more than kernels are built for (CONFIG_NR_CPUS is at most 8192, CONFIG_NODES_SHIFT 10).
_HIGHEST = 2**16 - 1


def number_list(value: Any, pointer: str) -> str:
    """A check for such a list, which stays as it is; parse_list gives its numbers."""
    words = text(value, pointer)
    try:
        parse_list(words)
    except ValueError:
        raise SpecError(pointer, f"must be a list such as 0-3,7; not {words!r}") from None
    return words


def parse_list(words: str) -> tuple[int, ...]:
    """The numbers of a list, ascending and each once; none for an empty one. Raises ValueError for what is no list."""
    found: set[int] = set()
    for part in words.split(",") if words.strip() else ():
        first, dash, last = part.strip().partition("-")
        if not all(end.isascii() and end.isdigit() and len(end) < 6 for end in (first, last if dash else first)):
            raise ValueError(f"no list of numbers: {words}")
        low, high = int(first), int(last if dash else first)
        if not low <= high <= _HIGHEST:
            raise ValueError(f"no list of numbers: {words}")
        found.update(range(low, high + 1))
    return tuple(sorted(found))

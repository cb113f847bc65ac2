"""Remove what containers have left whose engine was killed."""

from __future__ import annotations

from labkit.errors import UsageError

USAGE = """usage: labkit gc

Removes what containers have left whose `labkit run`, or Python process, no longer lives: those of labkit's own engine,
and those that it asked another runtime for. Prints their ids.
"""


def main(argv: list[str]) -> int:
    """`labkit gc`; prints the id of each container that was cleaned up after."""
    if argv in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if argv:
        raise UsageError(f"labkit gc takes no arguments, not {argv[0]!r}", "type: labkit gc")
    from labkit.cli import _other_runtime
    from labkit.engine.state import collect_garbage

    for id in [*collect_garbage(), *_other_runtime.collect_garbage()]:
        print(id)
    return 0

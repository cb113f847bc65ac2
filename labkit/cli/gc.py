"""Remove what containers have left whose engine was killed."""

from __future__ import annotations

from labkit.errors import UsageError

USAGE = """usage: labkit gc [--root DIR]

Removes what containers have left whose `labkit run`, or Python process, no longer lives: those of labkit's own engine,
and those that it asked another runtime for. Prints their ids. With --root those of `labkit-oci --root DIR` alone.
"""


def main(argv: list[str]) -> int:
    """`labkit gc`; prints the id of each container that was cleaned up after."""
    if argv in (["-h"], ["--help"]):
        print(USAGE, end="")
        return 0
    if argv and not (argv[0] == "--root" and len(argv) == 2):
        raise UsageError(f"labkit gc takes no arguments but --root DIR, not {' '.join(argv)!r}", "type: labkit gc")
    from labkit.cli import _other_runtime
    from labkit.engine import network
    from labkit.engine.garbage import collect_garbage
    from labkit.runtimes import garbage

    if argv:
        removed = collect_garbage(argv[1])
    else:
        removed = [*collect_garbage(), *_other_runtime.collect_garbage(), *garbage.collect_garbage()]
    removed += network.release_forgotten()
    for id in removed:
        print(id)
    return 0

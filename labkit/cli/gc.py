"""Remove what containers have left whose engine was killed."""

from __future__ import annotations

from labkit.errors import UsageError


def main(argv: list[str]) -> int:
    """`labkit gc`; prints the id of each container that was cleaned up after."""
    if argv in (["-h"], ["--help"]):
        print("usage: labkit gc\n\nRemoves cgroups and state folders of containers whose engine no longer lives.")
        return 0
    if argv:
        raise UsageError(f"labkit gc takes no arguments, not {argv[0]!r}", "type: labkit gc")
    from labkit.engine.state import collect_garbage

    for id in collect_garbage():
        print(id)
    return 0

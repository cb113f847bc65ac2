"""List the runtimes that can be named, and whether each works here."""

from __future__ import annotations

from labkit.errors import UsageError


def main(argv: list[str]) -> int:
    """`labkit runtimes`; tries each out, as `labkit doctor` does."""
    if argv in (["-h"], ["--help"]):
        print("usage: labkit runtimes\n\nThe names for `labkit run --runtime NAME`, each with its state on this host.")
        return 0
    if argv:
        raise UsageError(f"labkit runtimes takes no arguments, not {argv[0]!r}", "type: labkit runtimes")
    from labkit.cli.doctor import table
    from labkit.runtimes import ALL, doctor

    print(table([doctor.runtime(name) for name in ALL]))
    return 0

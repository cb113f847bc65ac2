"""Say what each capability lets a process do, and which a container has."""

from __future__ import annotations

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False

USAGE = """usage: labkit caps explain [--json] [CAP …]

What each capability (all, or those named: NET_RAW, CAP_NET_RAW) lets a process do, what follows for a container, and
whether a container has it by default. One that the kernel has and labkit does not know is listed by its number.
"""


def main(argv: list[str]) -> int:
    """`labkit caps explain [CAP …]`."""
    if not argv:
        raise UsageError("labkit caps needs a command", "type: labkit caps explain")
    if {"-h", "--help"} & set(argv):
        print(USAGE, end="")
        return 0
    verb, *words = argv
    if verb != "explain":
        raise UsageError(f"{verb!r} is not a command of labkit caps", "type: labkit caps explain")
    unknown = [word for word in words if word.startswith("-") and word != "--json"]
    if unknown:
        raise UsageError(f"labkit caps explain: unknown option {unknown[0]}", "labkit caps --help")
    rows = explain([word for word in words if word != "--json"])
    if "--json" in words:
        from labkit.spec.document import encode

        print(encode(rows, "  "))
    else:
        _print(rows)
    return 0


def explain(names: list[str]) -> list[dict[str, object]]:
    """A row for each capability: name, number, whether this kernel has it, whether containers do, does, risk."""
    from labkit.engine.configure import capability_names
    from labkit.linux import capabilities
    from labkit.linux.capability_words import WHOLE_HOST, WORDS
    from labkit.spec import default

    last = _last(len(capabilities.NAMES) - 1)
    every = capabilities.names((1 << max(last + 1, len(capabilities.NAMES))) - 1)
    if any(name.upper() == "ALL" for name in names):
        names = []
    rows: list[dict[str, object]] = []
    for name in capability_names(names, (), ()) if names else every:
        number = capabilities.number(name)
        does, risk = WORDS.get(name, ("is newer than this table; capabilities(7) may know it", ""))
        assert number is not None
        rows.append(
            {
                "capability": name,
                "number": number,
                "kernel": number <= last,
                "default": name in default.CAPABILITIES,
                "whole_host": name in WHOLE_HOST,
                "does": does,
                "risk": risk,
            }
        )
    return rows


def _last(otherwise: int) -> int:
    from labkit.linux.capabilities import last_capability

    try:
        return last_capability()
    except OSError:
        return otherwise  # A procfs without it, as in some sandboxes.


def _print(rows: list[dict[str, object]]) -> None:
    from labkit.cli._table import show

    if not rows:
        raise LabkitError("there is nothing to explain", "type: labkit caps explain")
    cells = []
    for row in rows:
        risk = f" Risk: {row['risk']}." if row["risk"] else ""
        absent = "" if row["kernel"] else " This kernel has it not."
        held = "yes" if row["default"] else "no, and never lightly" if row["whole_host"] else "no"
        cells.append((f"{row['capability']}", f"{row['number']:>2}", held, f"{row['does']}.{risk}{absent}"))
    show(("capability", "nr", "by default", "it lets a process"), cells)

"""Print the steps that would make a container, each with its system calls and its reason."""

from __future__ import annotations

from labkit.cli._request import parse
from labkit.errors import UsageError


def main(argv: list[str]) -> int:
    """`labkit explain [OPTIONS of run] -- COMMAND …`; nothing is made."""
    request = parse("explain", argv)
    if request is not None:
        if "trace" in request.flags:
            raise UsageError("labkit explain runs nothing that could be traced", "type: labkit run --trace …")
        # An argument may have bytes that are no text.
        text = request.plan().explain().encode(errors="surrogateescape").decode(errors="backslashreplace")
        print(text)
    return 0

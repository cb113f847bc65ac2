"""Run a command in a container made by labkit's own engine, or by another runtime."""

from __future__ import annotations

import sys

from labkit.cli._request import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.engine.trace import Span


def main(argv: list[str]) -> int:
    """`labkit run [OPTIONS] -- COMMAND …`; the exit status is the command's."""
    request = parse("run", argv)
    if request is None:
        return 0
    if request.runtime != "labkit":
        from labkit.cli._other_runtime import run

        return int(run(request))
    from labkit.engine import foreground

    plan = request.plan()
    request.print_notes(plan)
    if "trace" not in request.flags:
        return foreground.run(plan, died=_say_why)
    from labkit.engine.trace import table

    spans: list[Span] = []
    try:
        return foreground.run(plan, spans, died=_say_why)
    finally:
        print(table(spans), file=sys.stderr)


def _say_why(reason: str) -> None:
    print(f"hint: {reason}; --memory SIZE gives it more", file=sys.stderr)

"""Run a command in a container made by labkit's own engine, or by another runtime."""

from __future__ import annotations

from labkit.cli._request import parse


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
    return foreground.run(plan)

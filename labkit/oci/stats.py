"""`labkit-oci stats`: what a container uses now, as one line of JSON; `events --stats` under another name."""

from __future__ import annotations

from labkit.oci import events
from labkit.oci.options import one, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "USAGE:\n   labkit-oci stats <container-id>"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Print the statistics."""
    _, others = parse(words, {}, {}, anywhere=True)
    return events.main(["--stats", "--", one(others)], options)

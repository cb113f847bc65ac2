"""`labkit-oci start`: let a created container run its program (runtime.md, Start)."""

from __future__ import annotations

from labkit.engine import lifecycle
from labkit.linux import os
from labkit.oci import log
from labkit.oci.options import one, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "USAGE:\n   labkit-oci start <container-id>"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Start the container."""
    _, others = parse(words, {}, {}, anywhere=True)
    lifecycle.begin(one(others), options["root"], os.getenv("NOTIFY_SOCKET"), log.warning)
    return 0

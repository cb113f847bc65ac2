"""`labkit-oci start`: let a created container run its program (runtime.md, Start)."""

from __future__ import annotations

from labkit.engine import lifecycle, state
from labkit.oci import log
from labkit.oci.options import one, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "USAGE:\n   labkit-oci start <container-id>"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Start the container."""
    _, others = parse(words, {}, {}, anywhere=True)
    with state.Lock(one(others), options["root"]) as found:
        lifecycle.start(found)
    lifecycle.poststart(found, log.warning)
    return 0

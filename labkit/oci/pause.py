"""`labkit-oci pause`: stop all processes of a container where they are."""

from __future__ import annotations

from labkit.cgroups import freeze
from labkit.engine import state
from labkit.errors import LabkitError
from labkit.oci.options import one, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "USAGE:\n   labkit-oci pause <container-id>"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Pause the container."""
    _, others = parse(words, {}, {}, anywhere=True)
    with state.Lock(one(others), options["root"]) as found:
        status = found.status()
        if status not in ("created", "running"):
            raise LabkitError(f"container not running or created: {status}", "labkit-oci state shows its status")
        freeze.pause(found.cgroups)
    return 0

"""`labkit-oci resume`: let a paused container go on."""

from __future__ import annotations

from labkit.cgroups import freeze
from labkit.engine import state
from labkit.errors import LabkitError
from labkit.oci.options import one, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "USAGE:\n   labkit-oci resume <container-id>"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Resume the container."""
    _, others = parse(words, {}, {}, anywhere=True)
    with state.Lock(one(others), options["root"]) as found:
        if found.status() != "paused":
            raise LabkitError("container not paused", "labkit-oci state shows its status")
        freeze.resume(found.cgroups)
    return 0

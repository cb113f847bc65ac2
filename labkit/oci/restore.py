"""`labkit-oci restore`: not supported."""

from __future__ import annotations

from labkit.errors import LabkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = "USAGE:\n   labkit-oci restore is not supported"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Say that it is not supported."""
    raise LabkitError("restore is not supported by labkit-oci", "use runc or crun with CRIU for it")

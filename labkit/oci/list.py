"""`labkit-oci list`: the containers below one root, as a table, as JSON or as ids."""

from __future__ import annotations

from labkit.engine import state
from labkit.errors import LabkitError
from labkit.oci import log
from labkit.oci.options import FLAG, VALUE, parse
from labkit.oci.state import document, owner
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = """USAGE:
   labkit-oci list [command options]

OPTIONS:
   --format value, -f value  table (default) or json
   --quiet, -q               only the ids
"""
_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")


def main(words: list[str], options: dict[str, Any]) -> int:
    """Print the containers."""
    given, _ = parse(words, {"format": VALUE, "quiet": FLAG}, {"f": "format", "q": "quiet"}, anywhere=True)
    format = given["format"] or "table"
    if format not in ("table", "json"):
        raise LabkitError(f"invalid format option: {format}", "use table or json")
    found = state.listed(options["root"], log.warning)
    if given["quiet"]:
        print("".join(f"{one.id}\n" for one in found), end="")
        return 0
    shown = [document(one) | {"owner": owner(one.values["uid"]) or "root"} for one in found]
    if format == "json":
        print(encode(shown) if shown else "null")
        return 0
    rows = [_COLUMNS, *(tuple(str(one[name.lower()]) for name in _COLUMNS) for one in shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # As Go's tabwriter with runc's settings: columns of at least 12 characters, three blanks apart.
    for row in rows:
        print("".join(f"{cell:<{max(12, width + 3)}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0

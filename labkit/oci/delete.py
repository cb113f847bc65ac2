"""`labkit-oci delete`: remove what a container has on the host (runtime.md, Delete)."""

from __future__ import annotations

from labkit.engine import lifecycle, state
from labkit.errors import LabkitError, UsageError
from labkit.oci import log
from labkit.oci.options import FLAG, one, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = """USAGE:
   labkit-oci delete [command options] <container-id>
   labkit-oci delete [command options] --regex <expression>

OPTIONS:
   --force, -f  kill the container first if it runs; one that does not exist is no error
   --regex      delete all containers in whose id the regular expression is found (as crun)
"""


def main(words: list[str], options: dict[str, Any]) -> int:
    """Delete the container."""
    given, others = parse(words, {"force": FLAG, "regex": FLAG}, {"f": "force"}, anywhere=True)
    if given["regex"]:
        return _delete_all(one(others, "regular expression"), options["root"], given["force"])
    lifecycle.delete(one(others), options["root"], given["force"], log.warning)
    return 0


def _delete_all(expression: str, root: str, force: bool) -> int:
    import re

    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise UsageError(f"{expression!r} is not a regular expression: {error}", "see --help") from error
    status = 0
    for found in state.listed(root, log.warning):
        if pattern.search(found.id):
            try:
                lifecycle.delete(found.id, root, force, log.warning)
            except LabkitError as error:
                log.error(str(error))
                status = 1
    return status

"""`labkit-oci create`: all of a container but the start of its program (runtime.md, Create)."""

from __future__ import annotations

from labkit.engine import lifecycle, state
from labkit.engine.create import create
from labkit.errors import LabkitError
from labkit.oci import bundle, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

USAGE = f"USAGE:\n   labkit-oci create [command options] <container-id>\n\nOPTIONS:\n{bundle.USAGE.strip(chr(10))}"


def main(words: list[str], options: dict[str, Any]) -> int:
    """Create the container and leave it waiting for start."""
    request = bundle.Request(words, bundle.OPTIONS, bundle.LETTERS, options["root"])
    make(request, options["root"])
    return 0


def make(request: bundle.Request, root: str) -> None:
    """Create the container of `request`, write its pid file, and undo all when that cannot be written."""
    create(request.plan, bundle.connect(request.options["console-socket"]))
    pid = state.load(request.id, root).pid
    log.made(pid, bundle.COMPLETE)
    try:
        bundle.write_pid(request.options["pid-file"], pid)
    except LabkitError:
        lifecycle.delete(request.id, root, True, log.warning)
        raise

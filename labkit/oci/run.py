"""`labkit-oci run`: create and start a container, and, unless it is detached, wait for its end and delete it."""

from __future__ import annotations

from labkit.engine import foreground
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.oci import bundle, log
from labkit.oci.options import FLAG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONS = bundle.OPTIONS | {"detach": FLAG, "keep": FLAG, "no-subreaper": FLAG}
LETTERS = bundle.LETTERS | {"d": "detach"}
USAGE = f"""USAGE:
   labkit-oci run [command options] <container-id>

OPTIONS:
{bundle.USAGE.strip(chr(10))}
   --detach, -d              do not wait for the container's end
   --keep                    do not delete the container after it ends
   --no-subreaper            accepted; this runtime is no subreaper
"""


def main(words: list[str], options: dict[str, Any]) -> int:
    """Run the container; the exit status is its program's."""
    request = bundle.Request(words, OPTIONS, LETTERS, options["root"])
    if not request.options["detach"]:
        return _in_front(request)
    return _left(request, options)


def _in_front(request: bundle.Request) -> int:
    def running(pid: int) -> None:
        log.made(pid, bundle.COMPLETE)
        bundle.write_pid(request.options["pid-file"], pid)

    if not request.spec.process.terminal:
        return foreground.run(request.plan, running=running, warn=log.warning, listener=request.listener)
    from labkit.engine.relay import run_with_terminal

    return run_with_terminal(request.plan, running, log.warning, request.listener)


def _left(request: bundle.Request, options: dict[str, Any]) -> int:
    from labkit.engine import lifecycle
    from labkit.oci import create

    create.make(request, options["root"])
    try:
        lifecycle.begin(request.id, options["root"], os.getenv("NOTIFY_SOCKET"), log.warning)
    except (LabkitError, OSError):
        lifecycle.delete(request.id, options["root"], True, log.warning)
        raise
    return 0

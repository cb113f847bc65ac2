"""The terminal of a container that another process runs: its master comes over a socket (see plan.terminal)."""

from __future__ import annotations

from _io import FileIO
from _socket import AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_STREAM, socketpair

from labkit.engine.hint import hint
from labkit.errors import LabkitError
from labkit.linux.descriptors import receive_descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def open_terminal(begin: Callable[[int], object]) -> FileIO:
    """Start a program with `begin(socket)`, which returns once it runs; returns the master of its terminal.

    Raises LabkitError where the program has opened none.
    """
    try:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    except OSError as error:
        raise LabkitError(f"no socket for the terminal: {error.strerror}", hint("", error.errno)) from error
    try:
        begin(theirs.fileno())
        theirs.close()
        # It was sent before the program began.
        master = receive_descriptor(ours, MSG_DONTWAIT)
    except BlockingIOError:
        master = -1
    finally:
        theirs.close()
        ours.close()
    if master < 0:
        raise LabkitError("the container has opened no terminal", "was the step OpenTerminal left out?")
    return FileIO(master, "r+")

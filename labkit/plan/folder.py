"""A container's state folder: its files, a line more in its state, and its removal (see engine.state)."""

from __future__ import annotations

import errno

from labkit.linux import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# What the name of a state folder begins with while it is filled; it ends in the pid of who fills it.
UNFINISHED = "~"
# Where a container that was created waits to be started.
FIFO = "exec.fifo"
# What it says when its program cannot be run after all.
FAILURE = "start.failure"
# Where its root is mounted when it has no mount namespace of its own: with all that it has in it (see roots.BindRoot).
ROOT = "root"


def add_to_state(folder: str, line: str) -> None:
    """Append one line, a JSON object, to the state file: what it says replaces what earlier lines said."""
    descriptor = os.open(f"{folder}/state", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def remove_state(folder: str, others: tuple[str, ...] = ("config.json", FIFO, FAILURE)) -> None:
    """Remove a state folder with its file and the `others` that it may have; nothing to do for what is gone.

    What is mounted on its ROOT is unmounted. An OSError leaves the state, by which it can be tried again.
    """
    _remove_root(f"{folder}/{ROOT}")
    for name in others:
        _remove(os.unlink, f"{folder}/{name}")
    # The last: while it is there, whoever is killed here leaves what can be found again.
    _remove(os.unlink, f"{folder}/state")
    _remove(os.rmdir, folder)


def _remove_root(place: str) -> None:
    """Unmount what hangs below the one mount on `place`, and remove that; who is about to mount there no more can."""
    try:
        _remove(os.rmdir, place)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Imported here: few containers have one.
        from labkit.linux.mount import MNT_DETACH, MS_PRIVATE, MS_REC, UMOUNT_NOFOLLOW, mount, umount2

        # What the container has made shared with a mount of the host must not be unmounted there as well.
        mount(None, place, None, MS_REC | MS_PRIVATE)
        umount2(place, MNT_DETACH | UMOUNT_NOFOLLOW)
        os.rmdir(place)


def _remove(remove: Callable[[str], None], path: str) -> None:
    try:
        remove(path)
    except FileNotFoundError:
        pass

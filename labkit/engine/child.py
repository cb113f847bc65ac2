"""What the cloned process does: wait for the parent, execute the steps in order, become the program.

It never prints and never returns: an error goes to the parent as one message, with the step's name.
"""

from __future__ import annotations

import errno
import os
from _socket import socket

from labkit.engine import sync
from labkit.errors import LabkitError
from labkit.plan.process import Execute
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def run(steps: tuple[Step, ...], channel: socket, stdio: tuple[int, int, int], scene: Scene) -> NoReturn:
    """Execute `steps` with `stdio` as descriptors 0, 1 and 2; ends in the program or in _exit."""
    name = "start"
    try:
        sync.receive(channel)
        scene.kernel.reset_signals()
        _take_stdio(stdio)
        for step in steps:
            name = type(step).__name__
            if isinstance(step, Execute):
                # Sent before, since after a successful execve there is nobody left to send it.
                sync.send(channel, ("ready",))
            step.apply(scene)
    except sync.Dead:
        pass  # The parent is gone and has nobody to be told.
    except LabkitError as error:
        number = getattr(error, "errno", 0)
        # StepError's message already begins with the step's name.
        _report(channel, name, number, error.message.removeprefix(f"{name}: "), error.hint, error.exit_status)
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        _report(channel, name, error.errno or 0, f"{about}{error.strerror}", _hint(name, error), 125)
    except BaseException as error:
        _report(
            channel, name, 0, f"{type(error).__name__}: {error}", "this is a fault of labkit; please report it", 125
        )
    finally:
        os._exit(125)


def _take_stdio(stdio: tuple[int, int, int]) -> None:
    # Copies above 2 first: the descriptors may themselves be 0, 1 and 2 in another order.
    copies = [os.dup(descriptor) if descriptor <= 2 else descriptor for descriptor in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)


def _report(channel: socket, name: str, number: int, message: str, hint: str, status: int) -> None:
    try:
        sync.send(channel, ("error", name, number, message, hint, status))
    except sync.Dead:
        pass  # as above


def _hint(name: str, error: OSError) -> str:
    if name in ("UseRoot", "OverlayRoot"):
        if error.errno == errno.ENOENT:
            return "give an existing folder with --rootfs, or an image with --image"
        if error.errno == errno.ENOTDIR:
            return "the root filesystem is a folder; an archive must be unpacked first"
        if error.errno == errno.EACCES:
            return "every folder on the way must be searchable by you, or run as root"
    if error.errno == errno.ENOSPC:
        return "the disk, or the tmpfs behind it, is full: make room with: labkit image rm --all"
    if error.errno == errno.EPERM and name == "MountFilesystem":
        return "inside another container /proc and /sys may be masked, which forbids mounting them anew"
    if error.errno == errno.EROFS:
        return "the root filesystem is read-only and lacks this place; make the folder in the image"
    return ""

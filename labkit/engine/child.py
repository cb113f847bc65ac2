"""What the cloned process does: wait for the parent, execute the steps in order, become the program.

It never prints and never returns: an error goes to the parent as one message, with the step's name.
"""

from __future__ import annotations

import os
from _socket import socket

from labkit.engine import sync
from labkit.engine.hint import hint
from labkit.engine.trace import now
from labkit.errors import LabkitError
from labkit.plan.process import LoadSeccomp
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from labkit.engine.trace import Span


def run(steps: tuple[Step, ...], channel: socket, stdio: tuple[int, int, int], scene: Scene, traced: bool) -> NoReturn:
    """Execute `steps` with `stdio` as descriptors 0, 1 and 2; ends in the program or in _exit."""
    name, status = "start", 125
    spans: list[Span] = []
    scene.wait = lambda: _wait(channel)
    # Execute, and a filter loaded right before it, which need not allow what sending takes.
    last = len(steps) - (2 if len(steps) > 1 and isinstance(steps[-2], LoadSeccomp) else 1)
    try:
        scene.kernel.reset_signals()
        # What the steps make has the mode they give it, whatever the caller's mask is; SetUser sets the program's.
        os.umask(0)
        _take_stdio(stdio)
        for number, step in enumerate(steps):
            name = type(step).__name__
            if number == last:
                # Sent before, since after a successful execve there is nobody left to send it.
                sync.send(channel, ("ready", spans, now()) if traced else ("ready",))
            began = now() if traced else 0
            step.apply(scene)
            if traced:
                spans.append(("child", name, began, now()))
    except sync.Dead:
        pass  # The parent is gone and has nobody to be told.
    except LabkitError as error:
        status = error.exit_status
        # StepError's message already begins with the step's name.
        text = error.message.removeprefix(f"{name}: ")
        _report(channel, name, getattr(error, "errno", 0), text, error.hint, status)
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        _report(channel, name, error.errno or 0, f"{about}{error.strerror}", hint(name, error.errno), status)
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        _report(channel, name, 0, text, "this is a fault of labkit; please report it", status)
    finally:
        os._exit(status)


def _wait(channel: socket) -> None:
    sync.receive(channel)


def _take_stdio(stdio: tuple[int, int, int]) -> None:
    # Copies above 2 first: the descriptors may themselves be 0, 1 and 2 in another order.
    copies = [os.dup(descriptor) if descriptor <= 2 else descriptor for descriptor in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)


def _report(channel: socket, name: str, number: int, message: str, hint: str, status: int) -> None:
    try:
        sync.send(channel, ("error", name, number, message, hint, status))
    except (sync.Dead, OSError):
        pass  # As above, or the container's own filter forbids it; the exit status still tells.

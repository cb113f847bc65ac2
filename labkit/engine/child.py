"""What the cloned process does: wait for the parent, execute the steps in order, become the program.

It never prints and never returns: an error goes as one message, with the step's name, to the parent; or, where the
container was created and waits to be started, to who starts it.
"""

from __future__ import annotations

import gc
import marshal
from _socket import socket

from labkit.engine import sync
from labkit.engine.hint import hint
from labkit.engine.trace import now
from labkit.errors import LabkitError
from labkit.linux import os
from labkit.plan.process import LoadSeccomp
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from labkit.engine.trace import Span


def run(steps: tuple[Step, ...], channel: socket, stdio: tuple[int, ...], scene: Scene, traced: bool) -> NoReturn:
    """Execute `steps` with `stdio` as descriptors 0, 1 and 2; ends in the program or in _exit."""
    name, status = "start", 125
    spans: list[Span] = []
    scene.channel = channel.fileno()
    scene.wait = lambda: _wait(channel)
    scene.tell = lambda word: sync.send(channel, (word,))
    scene.created = lambda left: _created(channel, scene, left)
    scene.offer = lambda number, path, metadata: _offer(channel, ("listener", number, path, metadata))
    scene.borrow = lambda path: _borrow(channel, path)
    # Execute, and a filter loaded right before it, which need not allow what sending takes.
    last = len(steps) - (2 if len(steps) > 1 and isinstance(steps[-2], LoadSeccomp) else 1)
    # A collection would write to pages that are the parent's until then, and copy each.
    gc.disable()
    try:
        scene.kernel.reset_signals()
        # What the steps make has the mode they give it, whatever the caller's mask is; SetUser sets the program's.
        scene.umask = os.umask(0)
        own = os.stat("/proc/self/exe")
        scene.engine = (own.st_dev, own.st_ino)
        _take_stdio(stdio)
        for number, step in enumerate(steps):
            name = type(step).__name__
            if number == last and not scene.begun:
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
        _report(channel, scene, (name, getattr(error, "errno", 0), text, error.hint, status))
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        _report(channel, scene, (name, error.errno or 0, f"{about}{error.strerror}", hint(name, error.errno), status))
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        _report(channel, scene, (name, 0, text, "this is a fault of labkit; please report it", status))
    finally:
        os._exit(status)


def _wait(channel: socket) -> None:
    sync.receive(channel)


def _created(channel: socket, scene: Scene, left: bool) -> None:
    """Say that all is made, and wait for the answer: until it comes, who creates the container answers for it.

    One that is left outlives its creator from here on, of whose death meanwhile the answer that does not come tells.
    """
    if left:
        scene.kernel.set_parent_death_signal(0)
    sync.send(channel, ("created",))
    _wait(channel)
    channel.close()


def _offer(channel: socket, message: tuple[str, int, str, str]) -> None:
    """Let the parent take a descriptor of this process and pass it on, and wait until it is.

    By write(2), of which no filter may notify, and read(2), which is answered by whoever got the descriptor.
    """
    os.write(channel.fileno(), marshal.dumps(message))
    if not os.read(channel.fileno(), 64):
        raise sync.Dead


def _borrow(channel: socket, path: str) -> int:
    sync.send(channel, ("open", path))
    return sync.receive(channel)[1][0]


def _take_stdio(stdio: tuple[int, ...]) -> None:
    # Copies above 2 first: the descriptors may themselves be 0, 1 and 2 in another order.
    copies = [os.dup(descriptor) if descriptor <= 2 else descriptor for descriptor in stdio]
    for number, copy in enumerate(copies):
        os.dup2(copy, number)
    # One that waits to be started must not keep its creator's pipes open.
    for descriptor, copy in zip(stdio, copies, strict=True):
        if copy != descriptor:
            os.close(copy)


def _report(channel: socket, scene: Scene, fields: tuple[str, int, str, str, int]) -> None:
    message = ("error", *fields)
    try:
        if scene.begun:
            os.write(scene.failure, marshal.dumps(message))
        else:
            sync.send(channel, message)
    except (sync.Dead, OSError):
        pass  # As above, or the container's own filter forbids it; the exit status still tells.

"""The spawner: a small single-threaded process that clones containers, so that a large threaded one need not fork.

It is started once per client and serves until the client closes its socket, or dies. A request is one message
("run", plan, traced) with four descriptors: the socket for this container's replies, then its stdin, stdout and
stderr. The replies are ("started", pid, spans) with a pidfd, then ("exited", status); or ("failed", …) with an error's
fields. A client that closes a reply socket has its container killed.
"""

from __future__ import annotations

import _signal
import gc
import os
import select
import sys
from _socket import socket

from labkit.engine import sync
from labkit.engine.hint import hint
from labkit.engine.parent import life
from labkit.errors import LabkitError
from labkit.linux import kernel
from labkit.plan.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from labkit.engine.trace import Span


class Life:
    """One running container: its generator, the socket to its client and the descriptor it waits for."""

    __slots__ = ("reply", "steps", "waits_for")

    def __init__(self, reply: socket) -> None:
        self.reply = reply
        self.steps: Generator[int, None, int]
        self.waits_for = -1


def main(control_descriptor: int) -> None:
    """Serve requests from the socket `control_descriptor` until it is closed."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        # A Ctrl-C for the client is not for its containers; the spawner ends when the client's socket does.
        _signal.signal(number, _signal.SIG_IGN)
    # Its client's working folder is not its own to keep busy.
    os.chdir("/")
    control = socket(fileno=control_descriptor)
    poll = select.epoll()
    poll.register(control_descriptor, select.EPOLLIN)
    lives: dict[int, Life] = {}
    gc.freeze()  # What is there now is never garbage: no collection writes to its pages, which children share.
    try:
        while True:
            # One event at a time: acting on it may close what the next would be about, and the number be used anew.
            for descriptor, _ in poll.poll(-1, 1):
                if descriptor == control_descriptor:
                    _begin(control, poll, lives)
                elif descriptor in lives:
                    _proceed(lives[descriptor], descriptor, poll, lives)
    except sync.Dead:
        for one in set(lives.values()):
            try:
                one.steps.close()
            except LabkitError:
                pass  # Something could not be removed, and nobody is left to be told: labkit gc finds it.


def _begin(control: socket, poll: select.epoll, lives: dict[int, Life]) -> None:
    try:
        message, descriptors = sync.receive(control)
    except OSError:
        return  # Too many open files: the client, whose reply socket is closed with the message, says so.
    one = Life(socket(fileno=descriptors[0]))
    stdio = (descriptors[1], descriptors[2], descriptors[3])

    _, plan, traced = message
    spans: list[Span] = []

    def started(pid: int, pidfd: int) -> None:
        _tell(one, ("started", pid, spans), (pidfd,))

    one.steps = life(Plan.decode(plan), stdio, started, kernel, spans if traced else None)
    # Only a hang-up of the client is of interest on this socket, and epoll always reports that.
    poll.register(one.reply.fileno(), 0)
    lives[one.reply.fileno()] = one
    _proceed(one, -1, poll, lives)
    for descriptor in stdio:
        os.close(descriptor)


def _proceed(one: Life, woken_by: int, poll: select.epoll, lives: dict[int, Life]) -> None:
    """Resume a life after `woken_by` became ready, up to the next descriptor it waits for or to its end."""
    if one.waits_for >= 0:
        poll.unregister(one.waits_for)
        del lives[one.waits_for]
        one.waits_for = -1
    try:
        if woken_by == one.reply.fileno():
            one.steps.close()
        else:
            one.waits_for = next(one.steps)
            poll.register(one.waits_for, select.EPOLLIN)
            lives[one.waits_for] = one
            return
    except StopIteration as end:
        _tell(one, ("exited", end.value))
    except LabkitError as error:
        _tell(one, ("failed", *failure(error)))
    except OSError as error:
        text = f"the container cannot be run: {error.strerror}"
        _tell(one, ("failed", "", error.errno or 0, text, hint("", error.errno), 125))
    poll.unregister(one.reply.fileno())
    del lives[one.reply.fileno()]
    # Last: its end of file tells the client that nothing is held for this container any more.
    one.reply.close()


def failure(error: LabkitError) -> tuple[str, int, str, str, int]:
    """An error's fields: step, errno, message, hint, exit status; the step is "" for one that is no StepError."""
    step = getattr(error, "step", "")
    return step, getattr(error, "errno", 0), error.message, error.hint, error.exit_status


def _tell(one: Life, message: tuple[object, ...], descriptors: tuple[int, ...] = ()) -> None:
    try:
        sync.send(one.reply, message, descriptors)
    except sync.Dead:
        pass  # The client has gone; its hang-up is the next event.


if __name__ == "__main__":
    main(int(sys.argv[1]))

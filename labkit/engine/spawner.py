"""The spawner: a small single-threaded process that clones containers, so that a large threaded one need not fork.

It is started once per client and serves until the client closes its socket, or dies. A request is one message
("run", plan, traced) with its descriptors: the socket for this container's replies, then its stdin, stdout and stderr,
and the socket for its terminal's master where it opens one. The replies are ("started", pid, spans) with a pidfd, then
("exited", status, reason), the reason being text or None; or ("failed", …) with an error's fields; and before either
any number of ("warning", text). A client that closes a reply socket has its container killed.
"""

from __future__ import annotations

import _signal
import gc
import select
import sys
from _socket import AF_UNIX, SOCK_SEQPACKET, socket

from labkit.engine import sync
from labkit.engine.hint import hint
from labkit.engine.parent import Abandoned, life
from labkit.errors import LabkitError
from labkit.linux import kernel, os
from labkit.plan.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from labkit.engine.trace import Span


class Life:
    """One running container: its generator, the socket to its client and the descriptor it waits for.

    `started` says that its program runs, `hung_up` that its client is gone, `reason` why it was killed. `stdio` are its
    streams, which are kept until it has them: a step may have to wait before the process is cloned.
    """

    __slots__ = ("hung_up", "reason", "reply", "started", "stdio", "steps", "waits_for")

    def __init__(self, reply: socket) -> None:
        self.reply = reply
        self.steps: Generator[int, bool | None, int]
        self.waits_for = -1
        self.started = self.hung_up = False
        self.reason: str | None = None
        self.stdio: tuple[int, ...] = ()

    def close_stdio(self) -> None:
        """Close the container's streams: it has them by now, or ended before it did."""
        for descriptor in self.stdio:
            os.close(descriptor)
        self.stdio = ()


def main(control_descriptor: int) -> None:
    """Serve requests from the socket `control_descriptor` until it is closed."""
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        # A Ctrl-C for the client is not for its containers; the spawner ends when the client's socket does.
        _signal.signal(number, _signal.SIG_IGN)
    # Its client's working folder is not its own to keep busy.
    os.chdir("/")
    control = socket(fileno=control_descriptor)
    # Inherited once: no hook is to have it.
    os.set_inheritable(control_descriptor, False)
    poll = select.epoll()
    poll.register(control_descriptor, select.EPOLLIN)
    lives: dict[int, Life] = {}
    gc.freeze()  # What is there now is never garbage: no collection writes to its pages, which children share.
    served = True
    while served or lives:
        # One event at a time: acting on it may close what the next would be about, and the number be used anew.
        for descriptor, _ in poll.poll(-1, 1):
            if descriptor != control_descriptor:
                _proceed(lives[descriptor], descriptor, poll, lives)
                continue
            try:
                _begin(control, poll, lives)
            except sync.Dead:
                # With the client its containers end, whoever else may hold their sockets.
                served = False
                poll.unregister(control_descriptor)
                for one in set(lives.values()):
                    if not one.hung_up:
                        _proceed(one, one.reply.fileno(), poll, lives)


def _begin(control: socket, poll: select.epoll, lives: dict[int, Life]) -> None:
    try:
        message, descriptors = sync.receive(control)
    except OSError:
        return  # Too many open files: the client, whose reply socket is closed with the message, says so.
    # Of a kind that is known, so that the kernel need not be asked.
    one = Life(socket(AF_UNIX, SOCK_SEQPACKET, 0, descriptors[0]))
    one.stdio = tuple(descriptors[1:])
    _, plan, traced = message
    spans: list[Span] = []

    def started(pid: int, pidfd: int) -> None:
        one.started = True
        one.close_stdio()
        # With its filter and all its paths it takes 20 KiB, a thousand times where a thousand run.
        todo.child = ()
        _tell(one, ("started", pid, spans), (pidfd,))

    def died(reason: str) -> None:
        one.reason = reason

    def warn(text: str) -> None:
        _tell(one, ("warning", text))

    todo = Plan.decode(plan)
    one.steps = life(todo, one.stdio, started, kernel, spans if traced else None, warn, died)
    # Only a hang-up of the client is of interest on this socket, and epoll always reports that.
    poll.register(one.reply.fileno(), 0)
    lives[one.reply.fileno()] = one
    _proceed(one, -1, poll, lives)


def _proceed(one: Life, woken_by: int, poll: select.epoll, lives: dict[int, Life]) -> None:
    """Resume a life after `woken_by` became ready, up to the next descriptor it waits for or to its end."""
    hangs_up = woken_by == one.reply.fileno()
    if hangs_up:
        poll.unregister(woken_by)
        one.hung_up = True
    if one.waits_for >= 0:
        poll.unregister(one.waits_for)
        del lives[one.waits_for]
        one.waits_for = -1
    try:
        # A hang-up kills it, and its death is waited for as any other: it may stand in a container that is paused, and
        # the first process of a pid namespace is dead only when others' parents have reaped the others.
        if hangs_up and not one.started:
            one.waits_for = one.steps.throw(Abandoned())
        else:
            one.waits_for = one.steps.send(hangs_up or None)
        poll.register(one.waits_for, select.EPOLLIN)
        lives[one.waits_for] = one
        return
    except Abandoned:
        pass
    except StopIteration as end:
        _tell(one, ("exited", end.value, one.reason))
    except LabkitError as error:
        _tell(one, ("failed", *failure(error)))
    except OSError as error:
        text = f"the container cannot be run: {error.strerror}"
        _tell(one, ("failed", "", error.errno or 0, text, hint("", error.errno), 125))
    one.close_stdio()
    if not one.hung_up:
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

"""One container in the foreground of a command line: cloned by this very process, with signals passed on to it."""

from __future__ import annotations

import _signal
import gc

from labkit.engine.parent import life
from labkit.linux import kernel, os
from labkit.linux.descriptors import readable
from labkit.linux.proc import read_file
from labkit.plan.plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from labkit.engine.notify import Listener
    from labkit.engine.relay import Relay
    from labkit.engine.trace import Span

_FORWARDED = tuple(getattr(_signal, f"SIG{name}") for name in "HUP INT QUIT TERM USR1 USR2 ALRM CONT WINCH".split())
# What PID 1 of a namespace does not handle is dropped, where any other process would die of it (pid_namespaces(7)).
_FATAL = tuple(getattr(_signal, f"SIG{name}") for name in "HUP INT QUIT TERM ALRM USR1 USR2".split())

_KEYBOARD = (_signal.SIGINT, _signal.SIGQUIT)


class _Interrupted(Exception):
    """A signal came before the program ran."""


def run(
    plan: Plan,
    trace: list[Span] | None = None,
    console: int = -1,
    running: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
    relay: Relay | None = None,
    died: Callable[[str], None] | None = None,
    listener: Listener | None = None,
) -> int:
    """Run `plan` with this process's stdio; returns the exit status, 128 + n where a signal n ended it.

    A list `trace` is filled with the span of each step; `console` is the socket for the master of the terminal that
    the plan opens; `running` is called with the container's pid once its program runs; `warn` and `died` are as
    of `life`; `relay` passes that terminal's bytes on, and `listener` that the container is ready.

    A signal is passed on to the program. One that would end an ordinary process and that the program does not
    handle ends the container, with status 128 + n.
    """
    process: list[int] = []
    killed_by: list[int] = []
    early: list[int] = []

    def started(pid: int, pidfd: int) -> None:
        process.extend((pid, pidfd))
        if running:
            running(pid)

    def forward(number: int, _: object) -> None:
        if not process:
            if early or number not in _FATAL:
                return  # The first is being dealt with; and a resized window is no reason not to start.
            early.append(number)
            raise _Interrupted
        if relay and number == _signal.SIGWINCH:
            relay.resize()
            return
        pid, pidfd = process
        try:
            if number in _FATAL and not _handles(pid, number):
                killed_by.append(number)
                number = _signal.SIGKILL
            elif number in _KEYBOARD and os.getpgid(pid) == pid:
                # As a terminal does, which the container has not: to the program and what it runs in front.
                os.killpg(pid, number)
                return
            kernel.pidfd_send_signal(pidfd, number)
        except OSError:
            pass  # It has ended, and its descriptor may be closed by now; its status says how.

    # The child shares this memory: a collection would write to all of it, and each page written is copied.
    gc.freeze()
    # Signals are let in only while waiting: between the making of a thing and the note of it nothing interrupts.
    # One that was ignored when we began (nohup) stays ignored.
    heard = [number for number in _FORWARDED if _signal.getsignal(number) != _signal.SIG_IGN]
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, heard)
    for number in heard:
        _signal.signal(number, forward)
    stdio = (0, 1, 2, console) if console >= 0 else (0, 1, 2)
    wait: Callable[[int], object] = relay.wait if relay else readable
    if listener:
        wait = listener.meanwhile(wait)
    steps = life(plan, stdio, started, kernel, trace, warn, died)
    try:
        descriptor = next(steps)
        while True:
            try:
                _signal.pthread_sigmask(_signal.SIG_UNBLOCK, heard)
                wait(descriptor)
                # Within: a signal that came just before is told of in this call.
                _signal.pthread_sigmask(_signal.SIG_BLOCK, heard)
            except _Interrupted:
                _signal.pthread_sigmask(_signal.SIG_BLOCK, heard)
                # The program may run already, with the news of it not yet read: then it is for the program to handle.
                while not process and readable(descriptor, 0):
                    descriptor = next(steps)
                if not process:
                    return 128 + early[0]
                forward(early.pop(), None)
            else:
                descriptor = next(steps)
    except StopIteration as end:
        return 128 + killed_by[0] if killed_by else int(end.value)
    finally:
        steps.close()
        for number in heard:
            _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _handles(pid: int, number: int) -> bool:
    """Whether the process catches or ignores the signal: the masks SigCgt and SigIgn of proc_pid_status(5)."""
    masks = [
        int(line.split()[1], 16)
        for line in read_file(f"/proc/{pid}/status").splitlines()
        if line.startswith(("SigCgt:", "SigIgn:"))
    ]
    return any(mask >> (number - 1) & 1 for mask in masks)

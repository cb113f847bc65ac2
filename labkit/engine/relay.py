"""A container's terminal in the foreground: what is typed into this process's goes to it, what it shows comes back."""

from __future__ import annotations

import _signal
import errno
import os
import select
import termios
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket, socketpair

from labkit.engine import foreground
from labkit.linux.descriptors import readable, receive_descriptor
from labkit.linux.terminal import set_window_size, window_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from labkit.engine.notify import Listener
    from labkit.plan.plan import Plan

_CHUNK = 4096


def run_with_terminal(
    plan: Plan,
    running: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
    listener: Listener | None = None,
) -> int:
    """As foreground.run, for a plan that opens a terminal."""
    ours, theirs = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
    saved = _raw(0)
    relay = Relay(ours.detach())
    try:
        return foreground.run(plan, None, theirs.fileno(), running, warn, relay, listener=listener)
    finally:
        relay.close()
        theirs.close()
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


class Relay:
    """The socket on which the terminal's master comes, then the master, and what is on its way in either direction.

    Neither side is ever waited for: a program that does not read what is typed still has its output shown.
    """

    __slots__ = ("master", "reads_input", "socket", "to_show", "to_type")

    def __init__(self, channel: int) -> None:
        self.socket = channel
        self.master = -1
        self.reads_input = True
        self.to_show = self.to_type = b""

    def wait(self, descriptor: int) -> None:
        """Pass on what there is in both directions until `descriptor` is readable."""
        while True:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if self.master < 0:
                poll.register(self.socket, select.POLLIN)
            else:
                # What is on its way is waited for before more is taken: a chunk for each direction.
                wanted = (0 if self.to_show else select.POLLIN) | (select.POLLOUT if self.to_type else 0)
                if wanted:
                    # Not without: a hang-up would be told of again and again.
                    poll.register(self.master, wanted)
                if self.to_show:
                    poll.register(1, select.POLLOUT)
                if self.reads_input and not self.to_type:
                    poll.register(0, select.POLLIN)
            ready = dict(poll.poll())
            if descriptor in ready:
                return
            if self.socket in ready:
                self._take_master()
                continue
            if 0 in ready:
                self._read_input()
            if 1 in ready:
                self._show()
            self._type()
            if self.master in ready and not self.to_show and not self._read_master():
                # No process has the terminal open at this moment: the container's end is all there is to wait for.
                readable(descriptor)
                return

    def resize(self) -> None:
        """Give the terminal the size of this process's own."""
        if self.master >= 0 and os.isatty(0):
            set_window_size(self.master, *window_size(0))

    def close(self) -> None:
        """Show what is left to be shown, and close the descriptors."""
        if self.master < 0 and readable(self.socket, 0):
            # The program had ended before anybody waited: what it wrote is in the terminal still.
            self._take_master()
        if self.master >= 0:
            while self.to_show or (self._read_master() and self.to_show):
                poll = select.poll()
                poll.register(1, select.POLLOUT)
                poll.poll()
                self._show()
            os.close(self.master)
        os.close(self.socket)

    def _take_master(self) -> None:
        channel = socket(fileno=os.dup(self.socket))
        try:
            self.master = receive_descriptor(channel)
        finally:
            channel.close()
        if self.master >= 0:
            os.set_blocking(self.master, False)
            self.resize()

    def _read_input(self) -> None:
        self.to_type = os.read(0, _CHUNK)
        self.reads_input = bool(self.to_type)

    def _type(self) -> None:
        if self.to_type:
            self.to_type = _write_some(self.master, self.to_type)

    def _read_master(self) -> bool:
        """Take what the terminal shows next, if there is any now; whether there may be more."""
        try:
            self.to_show = os.read(self.master, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False  # EIO: the last process that had it open has closed it (pts(4)).
        return True

    def _show(self) -> None:
        self.to_show = _write_some(1, self.to_show)


def _write_some(descriptor: int, data: bytes) -> bytes:
    """What is left of `data` after as much was written as the other side takes now."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except OSError as error:
        if error.errno == errno.EIO:
            return b""  # Nobody has the terminal open.
        raise


def _raw(terminal: int) -> list[Any] | None:
    """Pass every key on as it is (termios(3), raw mode); returns the settings to go back to, None for no terminal."""
    try:
        saved = termios.tcgetattr(terminal)
    except termios.error:
        return None
    raw = list(saved)
    raw[0] &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    raw[1] &= ~termios.OPOST
    raw[2] = raw[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    raw[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    # One who is not in front would be stopped by SIGTTOU.
    before = _signal.signal(_signal.SIGTTOU, _signal.SIG_IGN)
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, raw)
    finally:
        _signal.signal(_signal.SIGTTOU, before)
    return saved

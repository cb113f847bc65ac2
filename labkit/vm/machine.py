"""One virtual machine from start to end: its processes, the streams of its command, its exit status."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from labkit.vm import failure, qemu, share
from labkit.vm.child import Child
from labkit.vm.flow import Flow
from labkit.vm.initramfs import Guest, initramfs
from labkit.vm.kernel import Kernel
from labkit.vm.qemu import Hardware
from labkit.vm.share import Share

BOOT_DEADLINE = 180.0  # seconds from the start of QEMU to init.sh's first word: emulated, on a busy host, it is late
GRACE = 5.0  # seconds in which nothing moves, after which the end of a stream, or of the guest, is not waited for
_CONSOLE_KEPT = 100_000  # bytes
_PORTS = 4

Watch = tuple[int, int, Callable[[], None]]  # descriptor, what to wait for (poll(2)), what to do then


class Line:
    """Talk between somebody on the host and a guest's `main`.

    When the descriptor `requests` is readable, what `request()` returns is sent on the control port, whole lines; each
    line that the guest says there is given to `told`. `servers` are listening sockets: ports from 5 on.
    """

    def __init__(
        self, requests: int, request: Callable[[], bytes], told: Callable[[str], None], servers: tuple[int, ...]
    ) -> None:
        self.requests = requests
        self.request = request
        self.told = told
        self.servers = servers


def run(
    kernel: Kernel,
    guest: Guest,
    hardware: Hardware,
    shares: tuple[Share, ...] = (),
    stdio: tuple[int, int, int] = (0, 1, 2),
    timeout: float | None = None,
    boot_deadline: float = BOOT_DEADLINE,
    line: Line | None = None,
) -> int:
    """Boot the guest, run its `main` with the descriptors `stdio`, and return its exit status.

    `line` lets somebody talk with `main` meanwhile.
    Raises MachineError for a guest that does not boot, or dies, or is still running after `timeout` seconds (counted
    from the start; exit status 124), LabkitError for one that cannot be started. However this ends, no process of the
    machine is left.
    """
    with ExitStack() as stack:
        machine = _Machine(stack, kernel, guest, hardware, shares, stdio, line)
        start = time.monotonic()
        while not machine.finished():
            machine.turn()
            now = time.monotonic()
            if machine.status() is not None:
                continue
            if timeout is not None and now > start + timeout:
                raise failure.timed_out(timeout)
            if not machine.up() and now > start + boot_deadline:
                raise failure.not_booted(machine.console, f"it was given {boot_deadline:g} s")
        return machine.conclude()


class _Machine:
    """The state of one run; what it opens and starts is closed and ended by `stack`."""

    def __init__(
        self,
        stack: ExitStack,
        kernel: Kernel,
        guest: Guest,
        hardware: Hardware,
        shares: tuple[Share, ...],
        stdio: tuple[int, int, int],
        line: Line | None,
    ) -> None:
        self._line = line
        self.console = b""
        self._said = b""  # by the guest on its control port
        self._told = 0  # lines of it that were passed on
        self._moved = 0.0  # when something happened last
        self._stuck = False

        mark = os.urandom(16).hex().encode()
        archive = _memory_file(stack, initramfs(kernel, guest, mark, qemu.modules(hardware)))
        mine, theirs = zip(*(_pair(stack) for _ in range(_PORTS + 1)), strict=True)
        self._console, self._stdin, stdout, stderr, self._control = mine
        self._daemons: dict[str, Child] = {}
        connections: dict[str, socket.socket] = {}
        for each in shares:
            self._daemons[each.tag], connections[each.tag] = share.serve(each)
            stack.callback(self._daemons[each.tag].close)
            stack.enter_context(connections[each.tag])
        console, *ports = (end.fileno() for end in theirs)
        sockets = {tag: connection.fileno() for tag, connection in connections.items()}
        servers = line.servers if line else ()
        argv = qemu.command(hardware, kernel.image, archive, console, tuple(ports), sockets, servers)
        taps = (hardware.tap,) if hardware.tap >= 0 else ()
        self._qemu = Child(argv, (archive, console, *ports, *sockets.values(), *servers, *taps))
        stack.callback(self._qemu.close)
        for end in (*theirs, *connections.values()):
            # QEMU's alone now, so that its death is an end of file here.
            end.close()
        self._input = Flow(stdio[0], self._stdin.fileno())
        self._outputs = (Flow(stdout.fileno(), stdio[1], mark), Flow(stderr.fileno(), stdio[2], mark))
        self._control.send(b"start\n")

    def up(self) -> bool:
        """Whether the guest has come to its init script."""
        return self._said.startswith(b"up\n")

    def status(self) -> int | None:
        """The exit status that the guest told, if it has."""
        return parse_status(self._said)

    def finished(self) -> bool:
        """Whether the command, or QEMU, has ended and all that the command wrote is written."""
        return self._over() and (self._stuck or all(flow.ended for flow in self._outputs))

    def _over(self) -> bool:
        return self.status() is not None or self._qemu.ended()

    def conclude(self) -> int:
        """Let the guest power off; its status.  Raises MachineError where QEMU ended before the command had."""
        status = self.status()
        if status is None:
            reason = self._qemu.last_words() or f"QEMU ended with status {self._qemu.process.returncode}"
            raise failure.died(self.console, reason) if self.up() else failure.not_booted(self.console, reason)
        if not self._qemu.ended():
            self._control.send(b"off\n")
            select.select([self._qemu.pidfd], [], [], GRACE)
        return status

    def turn(self) -> None:
        """Wait for the next thing to happen, at most for a second, and deal with it."""
        actions: dict[int, list[Callable[[], None]]] = {}
        poll = select.poll()
        for descriptor, events, action in self._watches():
            actions.setdefault(descriptor, []).append(action)
            poll.register(descriptor, events)
        ready = poll.poll(1000)
        for descriptor, _ in ready:
            for action in actions[descriptor]:
                action()
        now = time.monotonic()
        if ready or not self._over() or any(flow.blocked for flow in self._outputs):
            self._moved = now
        # A process that cannot be killed may still hold a stream.
        self._stuck = now > self._moved + GRACE

    def _watches(self) -> Iterator[Watch]:
        for flow in self._outputs:
            if (wanted := flow.wanted()) is not None:
                yield *wanted, flow.move
        if self._over():
            return
        if (wanted := self._input.wanted()) is not None:
            yield *wanted, self._move_input
        yield self._console.fileno(), select.POLLIN, self._read_console
        yield self._control.fileno(), select.POLLIN, self._read_control
        if self._line:
            yield self._line.requests, select.POLLIN, self._pass_request
        yield self._qemu.pidfd, select.POLLIN, self._qemu_ended
        for child in (self._qemu, *self._daemons.values()):
            if not child.silent:
                yield child.errors, select.POLLIN, child.read_errors
        for tag, daemon in self._daemons.items():
            yield daemon.pidfd, select.POLLIN, lambda tag=tag: self._share_ended(tag)  # type: ignore[misc]

    def _move_input(self) -> None:
        try:
            self._input.move()
            if self._input.ended:
                # This half alone: of a socket closed as a whole QEMU throws away what it has not yet read.
                self._stdin.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            self._input.give_up()

    def _read_console(self) -> None:
        self.console = (self.console + _received(self._console))[-_CONSOLE_KEPT:]

    def _read_control(self) -> None:
        self._said += _received(self._control)
        if self._line:
            for words in self._said.splitlines()[self._told : self._said.count(b"\n")]:
                self._line.told(words.decode(errors="replace"))
            self._told = self._said.count(b"\n")

    def _pass_request(self) -> None:
        assert self._line is not None
        self._control.send(self._line.request())

    def _qemu_ended(self) -> None:
        self._qemu.process.wait()
        # What it left in the sockets.
        self._read_console()
        self._read_control()

    def _share_ended(self, tag: str) -> None:
        """Without its share a guest waits for ever; where QEMU went first, this is but a consequence."""
        if not select.select([self._qemu.pidfd], [], [], 1.0)[0]:
            raise failure.share_lost(tag, self._daemons[tag].last_words())


def parse_status(said: bytes) -> int | None:
    """The N of the line `status N` in what a guest said on its control port; None before it is there as a whole."""
    for line in said.split(b"\n")[:-1]:
        word, _, number = line.partition(b" ")
        if word == b"status" and number.isdigit():
            return int(number) & 0xFF
    return None


def _received(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except (BlockingIOError, ConnectionResetError):
        return b""


def _pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Two connected stream sockets, ours non-blocking."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    stack.enter_context(mine)
    stack.enter_context(theirs)
    mine.setblocking(False)
    return mine, theirs


def _memory_file(stack: ExitStack, content: bytes) -> int:
    """The descriptor of a file with `content` that no folder has."""
    descriptor = os.memfd_create("initramfs", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor

"""Talking with a sandbox of `labkit.vm.sandbox`, from whatever process: signals, one more program, a held start."""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack

from labkit.errors import LabkitError
from labkit.vm.flow import Flow
from labkit.vm.sandbox import READY, STREAMS

_GONE = "the sandbox has ended, or is being made"


def ask(folder: str, words: str) -> None:
    """Send one request (sandbox.py) to the sandbox that has its sockets in `folder`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        try:
            to.sendto(words.encode(), f"{folder}/{READY}")
        except OSError as error:
            raise LabkitError(f"{_GONE}: {folder}: {error.strerror}", "make another") from error


def execute(folder: str, args: Sequence[str], stdio: tuple[int, int, int], timeout: float) -> int:
    """Run one more program in the sandbox to its end, with those descriptors; returns its exit status.

    One at a time in each sandbox: another waits. Raises LabkitError, with the program killed, after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    mark = os.urandom(16).hex()
    with ExitStack() as stack:
        lock = stack.enter_context(open(f"{folder}/lock", "wb"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        ports = [_connect(stack, f"{folder}/{name}") for name in STREAMS]
        ask(folder, f"exec {mark} {json.dumps(list(args))}")
        ports[0].sendall(b"go\n")
        for port in ports:
            port.setblocking(False)
        status = _carry(ports, stdio, mark.encode(), deadline)
        if status is None:
            ask(folder, "end")
            # Until it has ended nobody else can have the ports; what it still says is nobody's.
            null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            stack.callback(os.close, null)
            _carry(ports, (null, null, null), mark.encode(), time.monotonic() + timeout)
            raise LabkitError(f"{args[0]} still ran after {timeout:g} s and was ended", "give it more time")
        return status


def _carry(ports: Sequence[socket.socket], stdio: tuple[int, int, int], mark: bytes, deadline: float) -> int | None:
    """Pass the bytes on in each direction until the program has ended; its status, or None at the deadline."""
    feed = Flow(stdio[0], ports[0].fileno())
    outputs = [Flow(ports[number].fileno(), stdio[number], mark) for number in (1, 2)]
    said = b""
    while not (said and all(flow.ended for flow in outputs)):
        waiting = {wanted: flow for flow in (feed, *outputs) if (wanted := flow.wanted()) is not None}
        poll = select.poll()
        poll.register(ports[3], 0 if said else select.POLLIN)
        for descriptor, events in waiting:
            poll.register(descriptor, events)
        ready = dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))
        if not ready:
            return None
        if ports[3].fileno() in ready and not said:
            said = ports[3].recv(16)
            if not said:
                raise LabkitError(_GONE, "see its log")
        for (descriptor, _), flow in waiting.items():
            if descriptor in ready:
                _move(flow, ports[0] if flow is feed else None)
    return int(said)


def _move(flow: Flow, port: socket.socket | None) -> None:
    try:
        flow.move()
        if port and flow.ended:
            port.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        flow.give_up()


def _connect(stack: ExitStack, path: str) -> socket.socket:
    port = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC))
    try:
        port.connect(path)
    except OSError as error:
        raise LabkitError(f"{_GONE}: {path}: {error.strerror}", "make another") from error
    return port

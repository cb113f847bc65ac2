"""The system calls that a container's program makes, each told to a listener and then let go on.

Source: seccomp_unotify(2). Every call of every process in the container waits for the listener, which writes down its
architecture and number and answers that the kernel may go on with it: nothing is lost, and nothing is changed.
"""

from __future__ import annotations

import marshal
import os
import select
import socket
import tempfile
import threading
from _struct import pack, unpack_from
from fcntl import ioctl

from labkit.engine.container import Container
from labkit.linux.classic_bpf import ARCHITECTURES, X32
from labkit.linux.libc import MACHINE
from labkit.linux.libseccomp import syscall_name
from labkit.spec.model import Seccomp, SeccompArgument, SeccompRule, Spec
from labkit.spec.seccomp_default import ARCHITECTURES as OTHERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")

# include/uapi/linux/seccomp.h: ioctls, sizes of struct seccomp_notif and seccomp_notif_resp, the answer to go on.
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_REQUEST, _ANSWER = 80, "=QqiI"
_CONTINUE = 1
_NATIVE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_CALLS = 0x40000000
# By write(2) the engine itself tells of the filter, before anybody listens: with this many bytes, unlike any program.
_LENGTH = 6007


class Calls:
    """What was called: by (architecture, number), the architecture as in struct seccomp_data, how often."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[tuple[int, int], int] = {}

    def names(self) -> dict[str, int]:
        """How often by name, the most frequent first; a call that is not known here has its number for a name."""
        found: dict[str, int] = {}
        for (architecture, number), count in self.counts.items():
            name = _name(architecture, number) or f"number {number}"
            found[name] = found.get(name, 0) + count
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def unnamed(self) -> list[int]:
        """The numbers of calls that no name is known for; no profile can allow them."""
        return sorted({number for architecture, number in self.counts if not _name(architecture, number)})

    def profile(self, more: Seccomp | None = None) -> Seccomp:
        """The smallest profile under which the same calls succeed; with `more`, what that allows as well.

        Everything else is refused with EPERM.
        """
        names = {name for pair in self.counts if (name := _name(*pair))}
        architectures = {_architecture(*pair) for pair in self.counts} - {_architecture(_NATIVE[MACHINE], 0)}
        kept: tuple[SeccompRule, ...] = ()
        if more is not None:
            plain = [rule for rule in more.rules if rule.action == "SCMP_ACT_ALLOW" and not rule.arguments]
            names |= {name for rule in plain for name in rule.names}
            kept = tuple(rule for rule in more.rules if rule not in plain)
            architectures |= set(more.architectures)
        rule = SeccompRule(names=tuple(sorted(names)), action="SCMP_ACT_ALLOW")
        return Seccomp(
            default_action="SCMP_ACT_ERRNO" if more is None else more.default_action,
            default_errno=1 if more is None else more.default_errno,
            architectures=tuple(sorted(architectures)),
            rules=(rule, *kept),
        )


def _name(architecture: int, number: int) -> str:
    x32 = architecture == _NATIVE["x86_64"] and number >= _X32_CALLS
    return syscall_name(X32 if x32 else architecture, number)


def _architecture(architecture: int, number: int) -> str:
    if architecture == _NATIVE["x86_64"] and number >= _X32_CALLS:
        return "SCMP_ARCH_X32"
    return f"SCMP_ARCH_{ARCHITECTURES.get(architecture, 'unknown').upper()}"


def record(spec: Spec, run: Callable[[Container], Result]) -> tuple[Result, Calls]:
    """What `run` gives for the container of `spec`, and the calls of all its processes from the first execve on.

    `spec` gets another filter. `run` starts the container and waits for its end.
    """
    calls = Calls()
    with tempfile.TemporaryDirectory(prefix="labkit-") as folder, socket.socket(socket.AF_UNIX) as server:
        path = f"{folder}/listener"
        server.bind(path)
        server.listen(1)
        spec.linux.seccomp = _asking(path)
        ended, end = os.pipe()
        thread = threading.Thread(target=_listen, args=(server, ended, calls))
        thread.start()
        try:
            result = run(Container.from_spec(spec))
        finally:
            os.close(end)
            thread.join()
            os.close(ended)
    return result, calls


def _asking(path: str) -> Seccomp:
    """A filter that asks the listener at `path` of every call."""
    size = len(marshal.dumps(("listener", 0, path, "")))
    untold = (
        SeccompArgument(index=0, value=2, operator="SCMP_CMP_GT"),
        SeccompArgument(index=2, value=_LENGTH, operator="SCMP_CMP_EQ"),
    )
    return Seccomp(
        default_action="SCMP_ACT_NOTIFY",
        architectures=OTHERS.get(MACHINE, ()),
        # A short text has its length in one byte, a long one in four.
        listener_metadata="." * (_LENGTH - size - 3),
        listener_path=path,
        rules=(SeccompRule(names=("write",), action="SCMP_ACT_ALLOW", arguments=untold),),
    )


def _listen(server: socket.socket, ended: int, calls: Calls) -> None:
    """Take the filter's descriptor from who connects, and answer until nobody has the filter or all is `ended`."""
    if not _readable(server.fileno(), ended):
        return
    connection, _ = server.accept()
    with connection:
        _, (descriptor,), _, _ = socket.recv_fds(connection, 1 << 16, 1)
    try:
        while _readable(descriptor, ended):
            _answer(descriptor, calls)
    finally:
        os.close(descriptor)


def _readable(descriptor: int, ended: int) -> bool:
    """Wait until there is something to read; False when there never will be."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    waiting.register(ended, select.POLLIN)
    return any(number == descriptor and events & select.POLLIN for number, events in waiting.poll())


def _answer(descriptor: int, calls: Calls) -> None:
    request = bytearray(_REQUEST)
    try:
        ioctl(descriptor, _RECEIVE, request)
        identity, number, architecture = unpack_from("=Q8xiI", request)
        execve = _name(architecture, number) in ("execve", "execveat")
        # Before the first execve it is the engine that calls.
        if calls.counts or execve:
            key = (architecture, number % 2**32)
            calls.counts[key] = calls.counts.get(key, 0) + 1
        ioctl(descriptor, _SEND, pack(_ANSWER, identity, 0, 0, _CONTINUE))
    except FileNotFoundError:
        pass  # It was killed, or a signal took it out of its call, which it then makes again.

"""The descriptor of a seccomp filter, passed to whoever answers its notifications.

Source: config-linux.md, The Container Process State; seccomp_unotify(2).
"""

from __future__ import annotations

import errno
import os
import sys
import time
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET, socket

from labkit.errors import LabkitError, SpecError
from labkit.spec.document import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from labkit.plan.step import Kernel

_PATIENCE = 10.0


def pass_on(kernel: Kernel, pidfd: int, offer: tuple[Any, ...], pid: int, state: dict[str, Any]) -> Iterator[None]:
    """Send the descriptor that the process of `pidfd` offers to the socket it names; each item is a moment to wait.

    `offer` is ("listener", number, socket's path, metadata); `pid` is the process's and `state` the container's
    (runtime.md, State). Raises SpecError when nobody listens there.
    """
    _, number, path, metadata = offer
    try:
        descriptor = kernel.pidfd_getfd(pidfd, number)
    except OSError as error:
        message = f"the seccomp filter's descriptor cannot be taken: {error.strerror}"
        raise LabkitError(message, "it needs CAP_SYS_PTRACE and Linux 5.6") from error
    try:
        yield from _send(path, descriptor, encode(process_state(pid, metadata, state)).encode())
    except OSError as error:
        advice = "start the program that answers the notifications first"
        message = f"failed to connect with seccomp agent {path}: {error.strerror or error}"
        raise SpecError("/linux/seccomp/listenerPath", message, advice) from error
    finally:
        os.close(descriptor)


def process_state(pid: int, metadata: str, state: dict[str, Any]) -> dict[str, Any]:
    """The ContainerProcessState that goes with the descriptor."""
    return {
        "ociVersion": state["ociVersion"],
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": metadata,
        "state": state,
    }


def _send(path: str, descriptor: int, data: bytes) -> Iterator[None]:
    """Send both; one that never accepts, or never reads, keeps no other containers waiting (connect(2), EAGAIN)."""
    end = time.monotonic() + _PATIENCE
    rights = [(SOL_SOCKET, SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))]
    connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)
    try:
        connected = False
        while data:
            try:
                if not connected:
                    connection.connect(path)
                    connected = True
                data = data[connection.sendmsg([data], rights) :]
                rights = []
            except BlockingIOError:
                if time.monotonic() > end:
                    raise OSError(errno.ETIMEDOUT, "timed out", path) from None
                yield
    finally:
        connection.close()

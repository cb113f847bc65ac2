"""The two sockets' messages: parent and child around the clone, and client and spawner.

Both are SOCK_SEQPACKET pairs, so that a message arrives whole or not at all, and an end of file is a death.
Messages are tuples in marshal format. `_socket` is the C module: `socket` itself takes 10 ms to import.
"""

from __future__ import annotations

import errno
import marshal
import sys
from _socket import (
    AF_UNIX,
    CMSG_LEN,
    MSG_CTRUNC,
    SCM_RIGHTS,
    SOCK_CLOEXEC,
    SOCK_SEQPACKET,
    SOL_SOCKET,
    socket,
    socketpair,
)

from labkit.linux import os
from labkit.linux.descriptors import MSG_CMSG_CLOEXEC, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Half of what the kernel gives a socket's buffer by default (212 992 bytes), and little enough for malloc(3) not to
# map memory anew for each message; a plan of 100 steps with its filter has 10 to 20 thousand bytes.
_LARGEST = 100_000
_MOST_DESCRIPTORS = 5


class Dead(Exception):
    """The other end has closed its socket without a word: its process is gone."""


def pair() -> tuple[socket, socket]:
    """Two connected sockets, both close-on-exec."""
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)


def send(channel: socket, message: tuple[Any, ...], descriptors: tuple[int, ...] = ()) -> None:
    """Send one message, and open descriptors with it (unix(7), SCM_RIGHTS). Raises Dead."""
    data = marshal.dumps(message)
    if len(data) > _LARGEST:
        # Rare and large: through an unlinked file instead of the socket's buffer.
        file = os.memfd_create("message", os.MFD_CLOEXEC)
        try:
            write_all(file, data)
            send(channel, ("memfd",), (file, *descriptors))
        finally:
            os.close(file)
        return
    numbers = b"".join(number.to_bytes(4, sys.byteorder) for number in descriptors)
    ancillary = [(SOL_SOCKET, SCM_RIGHTS, numbers)] if numbers else []
    try:
        channel.sendmsg([data], ancillary)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Dead from error


def receive(channel: socket) -> tuple[tuple[Any, ...], list[int]]:
    """The next message and the descriptors that came with it, close-on-exec.

    Raises Dead, and OSError (EMFILE) when this process may not open as many descriptors as were sent.
    """
    room = CMSG_LEN(4 * (_MOST_DESCRIPTORS + 1))
    try:
        data, ancillary, flags, _ = channel.recvmsg(_LARGEST, room, MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        # The other end was closed before it had read all: that is said once, and before its own last words.
        data, ancillary, flags, _ = channel.recvmsg(_LARGEST, room, MSG_CMSG_CLOEXEC)
    descriptors = [
        int.from_bytes(numbers[place : place + 4], sys.byteorder)
        for level, kind, numbers in ancillary
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS)
        for place in range(0, len(numbers) - len(numbers) % 4, 4)
    ]
    if flags & MSG_CTRUNC:
        for number in descriptors:
            os.close(number)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    if not data:
        raise Dead
    message: tuple[Any, ...] = marshal.loads(data)
    if message == ("memfd",):
        file = descriptors.pop(0)
        message = marshal.loads(os.pread(file, os.fstat(file).st_size, 0))
        os.close(file)
    return message, descriptors

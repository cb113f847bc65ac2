"""What is done with open descriptors in many places: wait for one, write all, receive one."""

from __future__ import annotations

import select
import sys

from labkit.linux import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# unix(7): the descriptors that come with a message are close-on-exec.
MSG_CMSG_CLOEXEC = 0x40000000


def readable(descriptor: int, milliseconds: int | None = None) -> bool:
    """Wait until `descriptor` is readable, or `milliseconds` have passed; whether it is (poll(2))."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(milliseconds))


def write_all(descriptor: int, data: bytes) -> None:
    """write(2) until nothing is left."""
    while data:
        data = data[os.write(descriptor, data) :]


def receive_descriptor(channel: Any, flags: int = 0) -> int:
    """The one descriptor that comes with the next message on the Unix socket `channel`; -1 when none does."""
    # Imported here: most who wait for a descriptor have no socket.
    from _socket import CMSG_LEN, SCM_RIGHTS, SOL_SOCKET

    _, ancillary, _, _ = channel.recvmsg(4096, CMSG_LEN(4), MSG_CMSG_CLOEXEC | flags)
    for level, kind, numbers in ancillary:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            return int.from_bytes(numbers[:4], sys.byteorder)
    return -1

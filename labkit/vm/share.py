"""A folder of the host in the guest by virtiofs: one virtiofsd(1) a share, read-only unless it is to be written to."""

from __future__ import annotations

import os
import shutil
import socket

from labkit.errors import LabkitError, MissingError
from labkit.vm.child import Child
from labkit.vm.launch import PLACE

# Debian 13 and later have the rewrite in Rust in a package of its own, Debian 12 has the original with QEMU.
_PLACES = "/usr/libexec:/usr/lib/qemu"


class Share:
    """`path` of the host, which the guest mounts by `mount -t virtiofs TAG`.

    `cache` is virtiofsd's: `always` asks for a file once, so that one which the host changes meanwhile may be seen as
    it was, or cut short; `auto` sees changes within a second, and reads a file anew each time it is opened, for which
    an emulator translates its code anew: programs start ten times as slowly.
    """

    __slots__ = ("cache", "path", "tag", "writable")

    def __init__(self, tag: str, path: str, cache: str = "always", writable: bool = False) -> None:
        self.tag = tag
        self.path = path
        self.cache = cache
        self.writable = writable


def virtiofsd() -> str:
    """The program's path.  Raises MissingError."""
    path = shutil.which("virtiofsd", path=f"{_PLACES}:{os.environ.get('PATH', '')}")
    if path is None:
        raise MissingError("virtiofsd is not installed", "sudo apt-get install qemu-system-common virtiofsd (either)")
    return path


def serve(share: Share) -> tuple[Child, socket.socket]:
    """Start the share's virtiofsd; returns it and the socket that QEMU is to speak to it on.

    Raises MissingError without virtiofsd, LabkitError for a path that is no folder.
    """
    program = virtiofsd()
    if not os.path.isdir(share.path):
        raise LabkitError(f"{share.path} is no folder that can be shared with a VM", "a share is a folder")
    listening, connected = _connection()
    with listening:
        argv = [program, "-f", f"--fd={listening.fileno()}", "-o", f"source={PLACE}", "-o", f"cache={share.cache}"]
        if os.geteuid() != 0:
            # It may not raise its limit itself.
            argv.append("--rlimit-nofile=0")
        try:
            return Child(argv, (listening.fileno(),), shared=share.path, writable=share.writable), connected
        except BaseException:
            connected.close()
            raise


def _connection() -> tuple[socket.socket, socket.socket]:
    """A listening socket, as virtiofsd wants it, and the one connection that it will ever accept.

    The name is an abstract one that the kernel chooses (unix(7), autobind): nothing to remove, whoever is killed. Who
    else should connect in the moment before us takes the only place in the queue, and we are refused.
    """
    kind = socket.SOCK_STREAM | socket.SOCK_CLOEXEC
    listening = socket.socket(socket.AF_UNIX, kind)
    connected = socket.socket(socket.AF_UNIX, kind)
    try:
        listening.bind("")
        listening.listen(0)
        connected.setblocking(False)
        connected.connect(listening.getsockname())
        connected.setblocking(True)
    except BlockingIOError as error:
        listening.close()
        connected.close()
        raise LabkitError("another process took virtiofsd's connection", "try again") from error
    except BaseException:
        listening.close()
        connected.close()
        raise
    return listening, connected

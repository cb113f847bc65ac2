"""The kernel alone, booted to its first process: what the start-up of a container in a VM is compared with."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from contextlib import ExitStack

from labkit.errors import LabkitError
from labkit.images import payload
from labkit.linux.pidfd import pidfd_open
from labkit.vm import cpio, qemu
from labkit.vm.kernel import Kernel
from labkit.vm.qemu import Hardware

# What the kernel says once its first process has ended well, which the payload does at once: the byte may wait for an
# interrupt of the console, and this does not.
_ENDED = b"Attempted to kill init! exitcode=0x00000000"


def to_init(kernel: Kernel, hardware: Hardware, log: int, deadline: float) -> float:
    """Seconds from asking for QEMU to the first instruction of the kernel's first process, which is the payload.

    The initramfs has nothing else, and the machine neither ports nor shares; the payload's byte comes over the console,
    on which the kernel says nothing before, or its complaint that the payload has ended. `log` is a descriptor for
    QEMU's own words. Raises LabkitError when neither comes within `deadline` seconds.
    """
    # At 0 it would not even say what it says last.
    hardware.cmdline += " loglevel=1"
    with ExitStack() as stack:
        archive = os.memfd_create("initramfs", os.MFD_CLOEXEC)
        stack.callback(os.close, archive)
        os.write(archive, cpio.archive([cpio.file("init", payload.program(os.uname().machine), 0o755)]))
        console, theirs = socket.socketpair()
        stack.enter_context(console)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, null)
        argv = qemu.command(hardware, kernel.image, archive, theirs.fileno(), (), {})
        # posix_spawn(3) hands on what is not to be closed.
        moves = [(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate((null, null, log))]
        for descriptor in (archive, theirs.fileno()):
            os.set_inheritable(descriptor, True)
        asked = time.monotonic()
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=moves, setpgroup=0)
        stack.callback(_end, pid, pidfd_open(pid))
        theirs.close()
        said = b""
        while not said.startswith(payload.OUTPUT) and _ENDED not in said:
            left = max(0.0, deadline - (time.monotonic() - asked))
            part = console.recv(4096) if select.select([console], [], [], left)[0] else b""
            said += part
            if not part:
                heard = said.decode(errors="replace").strip().partition("\n")[0] or "nothing"
                raise LabkitError(f"the kernel said {heard!r} and started no first process", "see the trial's log")
        return time.monotonic() - asked


def _end(pid: int, pidfd: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
    os.close(pidfd)

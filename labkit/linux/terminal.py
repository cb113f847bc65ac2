"""Pseudoterminals: pts(4), ioctl_tty(2)."""

from __future__ import annotations

import os
import sys
from _ctypes import addressof
from _socket import SCM_RIGHTS, SOL_SOCKET, socket
from _struct import pack, unpack
from fcntl import ioctl

from labkit.linux.libc import Int, syscall

# asm-generic/ioctls.h, the same on x86-64 and arm64.
TIOCSCTTY = 0x540E
TIOCGWINSZ = 0x5413
TIOCSWINSZ = 0x5414
TIOCGPTN = 0x80045430
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441


# struct winsize of ioctl_tty(2): rows, columns, and the sizes in pixels, which are not used.
_WINDOW_SIZE = "=4H"


def open_slave(master: int) -> tuple[int, str]:
    """(descriptor, path inside) of the slave of `master`, unlocked.

    It is opened through the master (TIOCGPTPEER, Linux 4.13), so that no path of an image is followed.
    """
    number = Int(0)
    syscall("ioctl", master, TIOCSPTLCK, addressof(number), path="/dev/ptmx")
    syscall("ioctl", master, TIOCGPTN, addressof(number), path="/dev/ptmx")
    slave = syscall("ioctl", master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, path="/dev/ptmx")
    return slave, f"/dev/pts/{number.value}"


def send_descriptor(channel: int, name: bytes, descriptor: int) -> None:
    """Send `descriptor`, with `name` as the message, over the connected Unix socket `channel` (unix(7), SCM_RIGHTS)."""
    connected = socket(fileno=os.dup(channel))
    try:
        connected.sendmsg([name], [(SOL_SOCKET, SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))])
    finally:
        connected.close()


def set_window_size(terminal: int, rows: int, columns: int) -> None:
    """Set the size in characters; the programs in front get SIGWINCH."""
    syscall("ioctl", terminal, TIOCSWINSZ, pack(_WINDOW_SIZE, rows, columns, 0, 0), path="terminal")


def window_size(terminal: int) -> tuple[int, int]:
    """(rows, columns)."""
    rows, columns, _, _ = unpack(_WINDOW_SIZE, ioctl(terminal, TIOCGWINSZ, bytes(8)))
    return rows, columns


def set_controlling_terminal(terminal: int) -> None:
    """Make `terminal` the controlling one of this session, whose leader the caller is."""
    syscall("ioctl", terminal, TIOCSCTTY, 0, path="terminal")

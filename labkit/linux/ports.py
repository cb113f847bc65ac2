"""Ports of this host: one taken for a container while it lives, and who has one that is in use (tcp(7), proc(5))."""

from __future__ import annotations

import errno
import os
from _socket import AF_INET, SO_REUSEADDR, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, socket

from labkit.errors import LabkitError
from labkit.linux.proc import read_file

# (host's address or "", host's port, container's port, "tcp" or "udp")
Port = tuple[str, int, int, str]

# include/net/tcp_states.h: TCP_LISTEN, and TCP_CLOSE, as which every UDP socket is shown.
_LISTENING = {"tcp": "0A", "udp": "07"}


def take_port(address: str, port: int, protocol: str) -> socket:
    """A socket that has the port, of every address where `address` is ""; while it is open no other program can.

    Raises LabkitError, naming the port and who has it.
    """
    made = socket(AF_INET, (SOCK_STREAM if protocol == "tcp" else SOCK_DGRAM) | SOCK_CLOEXEC)
    try:
        if protocol == "tcp":
            # Connections that have ended, and keep a port for a minute, are not in the way.
            made.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        made.bind((address or "0.0.0.0", port))
        if protocol == "tcp":
            # Without it another that allows reuse could take the port as well.
            made.listen(1)
        return made
    except OSError as error:
        made.close()
        raise _refusal(error, address, port, protocol) from error


def _refusal(error: OSError, address: str, port: int, protocol: str) -> LabkitError:
    where = f"{address}:{port}" if address else str(port)
    if error.errno == errno.EADDRINUSE:
        who = holder(port, protocol)
        return LabkitError(
            f"port {where}/{protocol} is in use" + (f" by {who}" if who else ""), "publish another: --publish HOST:PORT"
        )
    if error.errno == errno.EACCES:
        return LabkitError(
            f"port {where}/{protocol} takes privilege",
            "use one from 1024 on, or see: sysctl net.ipv4.ip_unprivileged_port_start",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return LabkitError(f"port {where}/{protocol}: this host has no address {address}", "see: ip address")
    return LabkitError(f"port {where}/{protocol}: {error.strerror}", "choose another")


def holder(port: int, protocol: str) -> str:
    """Who listens on a port of this host, such as "nginx (pid 12)"; "" where that cannot be seen."""
    inodes = set()
    for name in (protocol, f"{protocol}6"):
        try:
            lines = read_file(f"/proc/thread-self/net/{name}").splitlines()[1:]
        except FileNotFoundError:
            continue  # A kernel without IPv6.
        for line in lines:
            words = line.split()
            if int(words[1].rpartition(":")[2], 16) == port and words[3] == _LISTENING[protocol]:
                inodes.add(f"socket:[{words[9]}]")
    for pid in filter(str.isdigit, os.listdir("/proc")) if inodes else ():
        try:
            for number in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{number}") in inodes:
                    return f"{read_file(f'/proc/{pid}/comm').strip()} (pid {pid})"
        except OSError:
            continue  # It has ended, or is another user's.
    return ""

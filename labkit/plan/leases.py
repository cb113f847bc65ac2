"""Who has which address on which network: one file for all containers of a user, changed by one process at a time.

It is `networks` in the run folder, a JSON object:

    {"forwarding": "0", "bridges": {"labkit0": "10.213.0.0/24"},
     "leases": {ID: {"network": "labkit0", "address": "10.213.0.2", "names": ["web"], "folder": …, "ports": [[…]]}}}

`forwarding` is what net.ipv4.ip_forward was before the first bridge. Each network also has a folder of its name there
with the files `hosts` and `resolv.conf`, which its containers have as theirs (hosts(5), resolv.conf(5)).
"""

from __future__ import annotations

import os

from labkit.errors import LabkitError
from labkit.linux.proc import read_file
from labkit.plan.firewall import rules
from labkit.spec.document import decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from labkit.linux.ports import Port

# Of the private 10.0.0.0/8 (RFC 1918): 256 networks of 254 addresses each.
_FIRST, _SIZE, _NETWORKS = 10 << 24 | 213 << 16, 256, 256
PREFIX_LENGTH = 24
FILES = ("hosts", "resolv.conf")
_LOCALHOST = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"


class Book:
    """All leases, read when the block of `with` begins, in which nobody else has them."""

    __slots__ = ("_lock", "bridges", "folder", "forwarding", "leases")

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.forwarding: str | None = None
        self.bridges: dict[str, str] = {}
        self.leases: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        # Imported here: few containers have a network.
        from fcntl import LOCK_EX, flock

        self._lock = os.open(f"{self.folder}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            flock(self._lock, LOCK_EX)
            try:
                values = decode(read_file(f"{self.folder}/networks"))
            except FileNotFoundError:
                values = {"forwarding": None, "bridges": {}, "leases": {}}
            self.forwarding, self.bridges, self.leases = values["forwarding"], values["bridges"], values["leases"]
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def save(self) -> None:
        """Write it to the disk, whole or not at all; an empty one is no file."""
        if not self.leases:
            _remove(os.unlink, f"{self.folder}/networks")
            return
        values = {"forwarding": self.forwarding, "bridges": self.bridges, "leases": self.leases}
        _replace(f"{self.folder}/networks", encode(values) + "\n")

    def members(self, network: str) -> dict[str, dict[str, Any]]:
        """The leases on one network, by container."""
        return {id: lease for id, lease in self.leases.items() if lease["network"] == network}

    def rules(self) -> str:
        """The packet filter's script for what the book says (see plan.firewall)."""
        ports = [(lease["address"], port) for lease in self.leases.values() for port in _ports(lease)]
        return rules(self.bridges, ports)

    def publisher(self, port: Port) -> str:
        """The container that publishes a port which is in the way of `port`; "" when there is none."""
        host, outer, _, protocol = port
        for id, lease in self.leases.items():
            for other, number, _, kind in _ports(lease):
                if (number, kind) == (outer, protocol) and (not host or not other or host == other):
                    return id
        return ""

    def remove_files(self, network: str) -> None:
        """Remove the network's folder; containers that have its files mounted keep them."""
        for name in FILES:
            _remove(os.unlink, f"{self.folder}/{network}/{name}")
        _remove(os.rmdir, f"{self.folder}/{network}")

    def write_hosts(self, network: str) -> None:
        """Bring the network's `hosts` up to date, in place: containers have this very file mounted."""
        lines = [
            f"{lease['address']} {' '.join(lease['names'])}\n"
            for lease in self.members(network).values()
            if lease["address"] and lease["names"]
        ]
        _overwrite(f"{self.folder}/{network}/hosts", _LOCALHOST + "".join(lines))


def free_subnet(taken: list[str]) -> str:
    """The first of labkit's networks that overlaps with none of `taken`, each such as "10.213.0.0/24"."""
    others = [_range(text) for text in taken]
    for number in range(_NETWORKS):
        first = _FIRST + number * _SIZE
        if all(first + _SIZE <= low or high <= first for low, high in others):
            return f"{dotted(first)}/{PREFIX_LENGTH}"
    raise LabkitError("no private network is free: 10.213.0.0/16 is in use", "labkit gc removes what is left over")


def free_address(subnet: str, taken: list[str]) -> str:
    """The first address of a network after the gateway's that is not among `taken`."""
    first, end = _range(subnet)
    for number in range(first + 2, end - 1):
        if dotted(number) not in taken:
            return dotted(number)
    raise LabkitError(f"no address of {subnet} is free", "use another network: --network bridge:NAME")


def gateway(subnet: str) -> str:
    """The bridge's own address in its network, the first."""
    return dotted(_range(subnet)[0] + 1)


def interface(address: str) -> str:
    """The name of the host's end for a container's address, unique as that is."""
    return f"lk{_number(address):08x}"


def routed() -> list[str]:
    """The networks that this host has routes to: /proc/net/route, but for the default route."""
    found = []
    for line in read_file("/proc/thread-self/net/route").splitlines()[1:]:
        words = line.split()
        destination, mask = (int.from_bytes(bytes.fromhex(words[i]), "little") for i in (1, 7))
        if mask:
            found.append(f"{dotted(destination)}/{mask.bit_count()}")
    return found


def dotted(number: int) -> str:
    """An IPv4 address as text."""
    return ".".join(str(byte) for byte in number.to_bytes(4, "big"))


def _number(address: str) -> int:
    return int.from_bytes(bytes(int(part) for part in address.split(".")), "big")


def _range(subnet: str) -> tuple[int, int]:
    address, _, length = subnet.partition("/")
    first = _number(address)
    return first, first + (1 << 32 - int(length))


def _ports(lease: dict[str, Any]) -> Iterator[Port]:
    for port in lease["ports"]:
        host, outer, inner, protocol = port
        yield host, outer, inner, protocol


def _remove(remove: Callable[[str], None], path: str) -> None:
    try:
        remove(path)
    except FileNotFoundError:
        pass


def _replace(path: str, text: str) -> None:
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
    os.rename(f"{path}.new", path)


def _overwrite(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        data = text.encode()
        # The new before what is left of the old: who reads meanwhile finds all names that stay.
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
        os.fchmod(descriptor, 0o644)
    finally:
        os.close(descriptor)

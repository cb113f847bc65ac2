"""What is asked of the kernel about a network interface without a library, which takes longer to import: rtnetlink(7).

An interface is moved to another network namespace with its addresses, or plugged into a bridge. A netlink socket
belongs for good to the network namespace in which it was made: to move an interface one stays here, one is made there.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from _socket import AF_BRIDGE, AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW, if_nametoindex, socket

from labkit.linux.namespaces import in_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NETLINK_ROUTE = 0
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x001, 0x004, 0x300
NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 19, 20, 22
IFLA_IFNAME, IFLA_MASTER, IFLA_PROTINFO, IFLA_NET_NS_FD = 3, 10, 12, 28
# Of linux/if_link.h, within IFLA_PROTINFO for a message of the family AF_BRIDGE.
IFLA_BRPORT_MODE = 4
NLA_F_NESTED = 0x8000
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS, IFA_RT_PRIORITY = 1, 2, 4, 8, 9
# An IPv6 address without detection of duplicates, and either kind without a route of its own, keep being so.
IFA_F_NODAD, IFA_F_PERMANENT, IFA_F_NOPREFIXROUTE = 0x02, 0x80, 0x200
RT_SCOPE_UNIVERSE = 0
IFF_UP = 1

# struct nlmsghdr, ifinfomsg, ifaddrmsg and rtattr.
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")

# (family, prefix length, flags, attributes)
Address = tuple[int, int, int, dict[int, bytes]]


def move_interface(name: str, new_name: str, namespace: str) -> None:
    """Move the interface `name` to the network namespace of the file `namespace`, as `new_name`, and bring it up.

    It keeps its permanent addresses of global scope; the kernel keeps the rest, such as its MTU. A `%d` in `new_name`
    is a number that the kernel chooses. Raises FileNotFoundError when there is no such interface, FileExistsError
    when the name is taken there.
    """
    here = _connection()
    there = in_network(namespace, _connection)
    try:
        index = _links(here).get(name)
        if index is None:
            raise OSError(errno.ENOENT, "no such network interface", name)
        before = _links(there)
        if new_name in before:
            raise OSError(errno.EEXIST, "an interface of this name is there already", new_name)
        kept = list(_addresses(here, index))
        target = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            attributes = {IFLA_NET_NS_FD: struct.pack("=I", target), IFLA_IFNAME: new_name.encode() + b"\0"}
            _request(here, RTM_NEWLINK, 0, _LINK.pack(0, 0, index, 0, 0), attributes, name)
        finally:
            os.close(target)
        (moved,) = (number for found, number in _links(there).items() if found not in before)
        for family, prefix, flags, parts in kept:
            body = _ADDRESS.pack(family, prefix, flags & 0xFF, RT_SCOPE_UNIVERSE, moved)
            parts[IFA_FLAGS] = struct.pack("=I", flags)
            _request(there, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, parts, new_name)
        _request(there, RTM_NEWLINK, 0, _LINK.pack(0, 0, moved, IFF_UP, IFF_UP), {}, new_name)
    finally:
        here.close()
        there.close()


def plug(name: str, bridge: str) -> None:
    """Connect the interface `name` to `bridge`, and bring it up.  Raises OSError, ENODEV for one that is missing."""
    here = _connection()
    try:
        index, switch = (_index(each) for each in (name, bridge))
        master = {IFLA_MASTER: struct.pack("=I", switch)}
        _request(here, RTM_NEWLINK, 0, _LINK.pack(0, 0, index, IFF_UP, IFF_UP), master, name)
        # Hairpin: what a container sends to its own published port comes back by the port it left through.
        mode = {IFLA_PROTINFO | NLA_F_NESTED: _packed({IFLA_BRPORT_MODE: b"\1"})}
        _request(here, RTM_SETLINK, 0, _LINK.pack(AF_BRIDGE, 0, index, 0, 0), mode, name)
    finally:
        here.close()


def _index(name: str) -> int:
    try:
        return if_nametoindex(name)
    except OSError:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name) from None


def _connection() -> socket:
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)


def _links(connection: socket) -> dict[str, int]:
    """The interfaces by name, with their numbers."""
    found = {}
    for body in _dump(connection, RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0)):
        name = _attributes(body[_LINK.size :])[IFLA_IFNAME].rstrip(b"\0").decode(errors="surrogateescape")
        found[name] = _LINK.unpack_from(body)[2]
    return found


def _addresses(connection: socket, index: int) -> Iterator[Address]:
    """The interface's addresses that were given to it for good and for the world."""
    for body in _dump(connection, RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        family, prefix, flags, scope, number = _ADDRESS.unpack_from(body)
        attributes = _attributes(body[_ADDRESS.size :])
        if IFA_FLAGS in attributes:
            (flags,) = struct.unpack("=I", attributes[IFA_FLAGS])
        if number == index and scope == RT_SCOPE_UNIVERSE and flags & IFA_F_PERMANENT:
            kept = {
                key: attributes[key]
                for key in (IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_RT_PRIORITY)
                if key in attributes
            }
            yield family, prefix, flags & (IFA_F_NODAD | IFA_F_NOPREFIXROUTE), kept


def _request(connection: socket, kind: int, flags: int, body: bytes, attributes: dict[int, bytes], about: str) -> None:
    body += _packed(attributes)
    connection.send(_HEADER.pack(_HEADER.size + len(body), kind, flags | NLM_F_REQUEST | NLM_F_ACK, 0, 0) + body)
    for found, answer in _messages(connection.recv(65536)):
        # The answer to every request is an error, of number 0 when there is none (netlink(7)).
        number = -int.from_bytes(answer[:4], sys.byteorder, signed=True) if found == NLMSG_ERROR else 0
        if number:
            raise OSError(number, os.strerror(number), about)


def _packed(attributes: dict[int, bytes]) -> bytes:
    return b"".join(
        _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), number) + value + bytes(-len(value) % 4)
        for number, value in attributes.items()
    )


def _dump(connection: socket, kind: int, body: bytes) -> Iterator[bytes]:
    connection.send(_HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + body)
    while True:
        for found, answer in _messages(connection.recv(65536)):
            if found == NLMSG_DONE:
                return
            if found == NLMSG_ERROR:
                number = -int.from_bytes(answer[:4], sys.byteorder, signed=True)
                raise OSError(number, os.strerror(number), "rtnetlink")
            yield answer


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[length + -length % 4 :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, number = _ATTRIBUTE.unpack_from(data)
        found[number] = data[_ATTRIBUTE.size : length]
        data = data[length + -length % 4 :]
    return found

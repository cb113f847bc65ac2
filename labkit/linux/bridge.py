"""A bridge of the host, and pairs of virtual interfaces that connect containers to it: veth(4), bridge(8).

The messages of rtnetlink(7) are pyroute2's affair, which is imported by the first call: only containers on a bridge
need it, and it takes a hundred times as long as starting one.
"""

from __future__ import annotations

import os
from _socket import if_nametoindex

from labkit.errors import MissingError
from labkit.linux.namespaces import in_network
from labkit.linux.rtnetlink import plug

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

INSIDE = "eth0"


def make_bridge(name: str, address: str, length: int) -> None:
    """Make the bridge `name`, give it `address` with a prefix of `length` bits, and bring it up.

    Raises FileExistsError when an interface of this name is there.
    """

    def make(ip: Any) -> None:
        ip.link("add", ifname=name, kind="bridge")
        index = if_nametoindex(name)
        ip.addr("add", index=index, address=address, prefixlen=length)
        ip.link("set", index=index, state="up")

    _ask(name, make)


def connect(bridge: str, interface: str, pid: int, address: str, length: int, gateway: str) -> None:
    """Connect the network namespace of process `pid` to `bridge`: one end of a pair is there, as `eth0`, with a route.

    The host's end is called `interface`; with either end the other goes.
    """

    def pair(ip: Any) -> None:
        # The other end begins where it belongs, and never shows on the host.
        ip.link("add", ifname=interface, kind="veth", peer={"ifname": INSIDE, "net_ns_pid": pid})

    def inside(ip: Any) -> None:
        index = if_nametoindex(INSIDE)
        ip.addr("add", index=index, address=address, prefixlen=length)
        ip.link("set", index=index, state="up")
        ip.route("add", dst="default", gateway=gateway)

    _ask(interface, pair)
    plug(interface, bridge)
    in_network(f"/proc/{pid}/ns/net", lambda: _ask(INSIDE, inside))


def delete_interface(name: str) -> None:
    """Delete a virtual interface; nothing to do when it is gone."""
    if exists(name):
        try:
            _ask(name, lambda ip: ip.link("del", index=if_nametoindex(name)))
        except OSError:
            # The kernel takes a pair down by itself when a namespace with one end has ended.
            if exists(name):
                raise


def exists(name: str) -> bool:
    """Whether this network namespace has an interface of the name."""
    try:
        return bool(if_nametoindex(name))
    except OSError:
        return False


def _ask(about: str, ask: Callable[[Any], None]) -> None:
    """Call `ask` with a connection of pyroute2 to the kernel; what the kernel refuses is an OSError about `about`."""
    library, refused = _library()
    with library(ext_ack=True) as connection:
        try:
            ask(connection)
        except refused as error:
            raise OSError(error.code, os.strerror(error.code), about) from error


def _library() -> tuple[Any, type[Any]]:
    """The class of pyroute2's connections, and that of its errors."""
    try:
        from pyroute2 import IPRoute, NetlinkError
    except ImportError:
        try:
            # The process that makes containers began without the folders of installed packages (python -S).
            import site

            site.main()
            from pyroute2 import IPRoute, NetlinkError
        except ImportError as error:
            raise MissingError(
                "a container on a bridge needs the Python package pyroute2", "pip install 'labkit[network]'"
            ) from error
    return IPRoute, NetlinkError

"""The network of a sandbox that serves: a network namespace of its own and a cable (veth(4)) to the host.

Every runtime is given the same namespace by its path, and does with it what it always does: runc and its like put the
program into it, gVisor takes its interface for its own network stack, and to a virtual machine the interface is
connected by a bridge in the namespace, as labkit's own bridges have them. The load comes from the host's end.

The namespace has no name: this process keeps it open, so that it goes, and the cable with it, however this ends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyroute2 import IPRoute

from labkit.linux.mount import mount, umount2
from labkit.linux.namespaces import CLONE_NEWNET, setns, unshare
from labkit.linux.rtnetlink import plug
from labkit.vm.wire import Wire

# RFC 2544 (appendix C.2.2) keeps this network for measurements of networks, so that no host is on it.
HOST, SANDBOX, LENGTH = "198.18.77.1", "198.18.77.2", 30
# What a virtual machine makes of the namespace.
WIRE = Wire("bridge", "tap", f"{SANDBOX}/{LENGTH}", HOST)
_CORE = "/proc/sys/net/core"


@contextmanager
def linked(id: str, hide_settings: bool = False, bridge: str = "") -> Iterator[str]:
    """Make the namespace and the cable; yields the namespace's path, and takes both away at the end.

    Its end of the cable has the sandbox's address, or is plugged into a new `bridge`.
    `hide_settings` keeps the namespace's /proc/sys/net/core from this process's mount namespace, which must be its own.
    gVisor takes a namespace where it sees rmem_default there for the host's own, and refuses to work in it; newer
    kernels have that file in each.
    """
    # The name of an interface has 15 bytes at most.
    end = f"lk{id[-10:]}"
    namespace = -1

    def make() -> None:
        nonlocal namespace
        unshare(CLONE_NEWNET)
        namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with IPRoute() as inside:
            # Of this process means of its main thread, which is where it always was.
            inside.link("add", ifname="eth0", kind="veth", peer={"ifname": end, "net_ns_pid": os.getpid()})
            if bridge:
                inside.link("add", ifname=bridge, kind="bridge")
                _bring_up(inside, bridge)
                plug("eth0", bridge)
            else:
                _bring_up(inside, "eth0", SANDBOX)
            _bring_up(inside, "lo")

    hidden = False
    try:
        _apart(make)
        with IPRoute() as host:
            _bring_up(host, end, HOST)
        if not bridge:
            _apart(lambda: _add_route(namespace))
        hidden = hide_settings and _hide(namespace)
        yield f"/proc/{os.getpid()}/fd/{namespace}"
    finally:
        if hidden:
            _apart(lambda: _show(namespace))
        # A namespace ends some time after its last user; the cable ends now.
        with IPRoute() as host:
            for index in host.link_lookup(ifname=end):
                host.link("del", index=index)
        if namespace >= 0:
            os.close(namespace)


def _bring_up(there: IPRoute, name: str, address: str = "") -> None:
    index = there.link_lookup(ifname=name)[0]
    if address:
        there.addr("add", index=index, address=address, prefixlen=LENGTH)
    there.link("set", index=index, state="up")


def _add_route(namespace: int) -> None:
    setns(namespace, CLONE_NEWNET)
    with IPRoute() as inside:
        inside.route("add", dst="default", gateway=HOST)


def _hide(namespace: int) -> bool:
    """Whether there was something to hide."""
    seen = False

    def act() -> None:
        nonlocal seen
        setns(namespace, CLONE_NEWNET)
        seen = os.path.exists(f"{_CORE}/rmem_default")
        if seen:
            mount("tmpfs", _CORE, "tmpfs", 0)

    _apart(act)
    return seen


def _show(namespace: int) -> None:
    setns(namespace, CLONE_NEWNET)
    umount2(_CORE)


def _apart(act: Callable[[], None]) -> None:
    """Call `act` in a thread of its own, with which the namespaces that it enters are left."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]

"""The network that a measured server is reached by."""

import os
import select
import socket
import threading
import time

import pytest
from pyroute2 import IPRoute

from labkit.bench import link
from labkit.linux import tap
from labkit.linux.namespaces import CLONE_NEWNET, setns

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def own_addresses(monkeypatch):
    """Others than those of a measurement, which may be going on; RFC 2544's too."""
    monkeypatch.setattr(link, "HOST", "198.19.77.1")
    monkeypatch.setattr(link, "SANDBOX", "198.19.77.2")


def cables(id):
    with IPRoute() as host:
        return host.link_lookup(ifname=f"lk{id[-10:]}")


def inside(path, act):
    """What `act` gives in a thread of that network namespace."""
    found = []

    def run():
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        setns(descriptor, CLONE_NEWNET)
        os.close(descriptor)
        found.append(act())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_what_listens_inside_is_reached_from_the_host_and_all_goes_at_the_end():
    id = f"labkit-{os.urandom(5).hex()}"
    with link.linked(id) as path:
        assert cables(id)
        listening = inside(path, lambda: socket.create_server((link.SANDBOX, 0)))
        with listening:
            port = listening.getsockname()[1]
            with socket.create_connection((link.SANDBOX, port), timeout=10) as end:
                assert end.getsockname()[0] == link.HOST
        assert os.stat(path).st_ino != os.stat("/proc/self/ns/net").st_ino
    assert not cables(id)
    assert not os.path.exists(path)


def test_a_bridge_carries_what_is_plugged_into_it_to_the_host():
    id = f"labkit-{os.urandom(5).hex()}"
    with link.linked(id, bridge="bridge") as path:
        descriptor = tap.plugged("tap", "bridge", path)
        # Virtio's header, and a question of Ethernet's broadcast: who has the host's address (RFC 826)?
        sender, asked = (socket.inet_aton(address) for address in (link.SANDBOX, link.HOST))
        mac = bytes.fromhex("02000000004d")
        question = bytes.fromhex("0001080006040001") + mac + sender + bytes(6) + asked
        deadline = time.monotonic() + 10
        answer = b""
        # Asked again: a bridge drops frames until it has seen that both of its ports are up.
        while sender not in answer[38:] and time.monotonic() < deadline:
            os.write(descriptor, bytes(10) + b"\xff" * 6 + mac + bytes.fromhex("0806") + question)
            if select.select([descriptor], [], [], 0.2)[0]:
                answer = os.read(descriptor, 2048)[10:]
        assert answer[:6] == mac
        assert answer[28:32] == asked
        os.close(descriptor)
    assert not cables(id)


def test_all_goes_when_the_trial_fails():
    id = f"labkit-{os.urandom(5).hex()}"

    def fail():
        with link.linked(id):
            assert cables(id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not cables(id)


def test_the_sandbox_finds_the_host_as_its_gateway():
    with link.linked(f"labkit-{os.urandom(5).hex()}") as path:

        def gateway():
            with IPRoute() as there:
                return [dict(route["attrs"]).get("RTA_GATEWAY") for route in there.get_default_routes()]

        assert inside(path, gateway) == [link.HOST]

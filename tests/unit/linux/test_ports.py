import os
import socket

import pytest

from labkit.errors import LabkitError
from labkit.linux.ports import holder, take_port


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made.getsockname()[1]


def test_a_port_in_use_is_named_with_who_has_it(server):
    with open("/proc/self/comm") as file:
        name = file.read().strip()
    assert holder(server, "tcp") == f"{name} (pid {os.getpid()})"
    with pytest.raises(LabkitError) as caught:
        take_port("127.0.0.1", server, "tcp")
    assert caught.value.message == f"port 127.0.0.1:{server}/tcp is in use by {name} (pid {os.getpid()})"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_is_taken_until_it_is_closed(protocol):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    taken = take_port("127.0.0.1", number, protocol)
    with pytest.raises(LabkitError, match=f"port 127.0.0.1:{number}/{protocol} is in use"):
        take_port("127.0.0.1", number, protocol)
    taken.close()
    take_port("127.0.0.1", number, protocol).close()


def test_an_address_of_another_host_is_said():
    with pytest.raises(LabkitError, match=r"this host has no address 192\.0\.2\.77"):
        take_port("192.0.2.77", 8080, "tcp")


def test_nobody_has_a_port_that_is_free(server):
    assert holder(server, "udp") == ""

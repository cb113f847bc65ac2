"""Taps: interfaces that are there as long as a descriptor is open."""

import errno
import os
import subprocess

import pytest
from pyroute2 import IPRoute

from labkit.linux import tap
from labkit.linux.namespaces import in_network

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not os.path.exists(tap.DEVICE), reason=f"{tap.DEVICE} is missing: modprobe tun"),
]


@pytest.fixture
def namespace():
    """The path of a network namespace with a bridge `switch`, all of which go at the end."""
    script = "ip link add switch type bridge && ip link set switch up && echo ready && exec cat"
    process = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield f"/proc/{process.pid}/ns/net"
    process.communicate("")


def links(path):
    """The interfaces of a namespace, each with the number of its bridge and whether it is up."""

    def look():
        with IPRoute() as there:
            return {
                link.get_attr("IFLA_IFNAME"): (link.get_attr("IFLA_MASTER"), bool(link["flags"] & 1))
                for link in there.get_links()
            }

    return in_network(path, look)


def test_a_tap_is_on_its_bridge_until_it_is_closed(namespace):
    own = os.readlink("/proc/self/ns/net")
    descriptor = tap.plugged("plug", "switch", namespace)
    bridge, up = links(namespace)["plug"]
    assert bridge is not None
    assert up
    assert not os.get_inheritable(descriptor)
    assert os.readlink("/proc/self/ns/net") == own
    os.close(descriptor)
    assert "plug" not in links(namespace)


def test_a_frame_may_leave_by_the_port_it_came_by(namespace):
    descriptor = tap.plugged("plug", "switch", namespace)
    command = ["nsenter", f"--net={namespace}", "ip", "-d", "link", "show", "plug"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "hairpin on" in shown
    assert "persist off" in shown
    os.close(descriptor)


def test_a_name_that_is_taken_is_refused_and_named(namespace):
    descriptor = tap.plugged("plug", "switch", namespace)
    try:
        with pytest.raises(OSError, match="plug") as caught:
            tap.plugged("plug", "switch", namespace)
        assert caught.value.errno == errno.EBUSY
        assert "plug" in links(namespace)
    finally:
        os.close(descriptor)


def test_without_its_bridge_no_tap_is_left(namespace):
    with pytest.raises(OSError, match="nowhere") as caught:
        tap.plugged("plug", "nowhere", namespace)
    assert caught.value.errno == errno.ENODEV
    assert "plug" not in links(namespace)


def test_what_is_no_namespace_is_refused(namespace):
    with pytest.raises(OSError, match="is no network namespace"):
        tap.plugged("plug", "switch", "/proc/self/ns/uts")

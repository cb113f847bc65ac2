"""The class and the priority of what a container sends, as tc(8) sees them; controllers that v1 alone has."""

import os
import re
import shutil
import subprocess

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.spec.model import InterfacePriority, NetworkLimits

pytestmark = pytest.mark.root

# The bands of the queue, which are the classes 10:1 to 10:3. Of packets without priority the second is the place.
URGENT, USUAL, BULK = 1, 2, 3
# Nobody answers.
SEND = "nc -w 1 192.0.2.2 9; true"


def tc(*words):
    done = subprocess.run(["tc", *words], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


@pytest.fixture
def interface():
    """An interface that leads nowhere, with a queue of three bands."""
    if shutil.which("tc") is None or shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    name = f"lab{os.getpid()}"
    link = ["ip", "link", "add", name, "address", "02:00:00:00:00:01", "type", "dummy"]
    if subprocess.run(link, capture_output=True).returncode != 0:
        pytest.skip("this kernel has no interface of type dummy")
    try:
        for words in (
            f"link set {name} up",
            f"addr add 192.0.2.1/24 dev {name}",
            f"neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev {name}",
        ):
            subprocess.run(["ip", *words.split()], check=True, timeout=30)
        tc(*f"qdisc add dev {name} root handle 10: prio".split())
        yield name
    finally:
        subprocess.run(["ip", "link", "del", name], check=True, timeout=30)


@pytest.fixture
def sent(rootfs, interface):
    """A function from limits to the bands in which the packets are that a container with them sends."""

    def bands():
        shown = tc("-s", "class", "show", "dev", interface)
        return {int(band): int(number) for band, number in re.findall(r"class prio 10:(\d).*?(\d+) pkt", shown, re.S)}

    def run(limits):
        before = bands()
        kinds = ["pid", "ipc", "uts", "mount"]
        spec = configure(str(rootfs), ["sh", "-c", SEND], namespaces=kinds)
        spec.linux.resources.network = limits
        assert Container.from_spec(spec).run(timeout=60).exit_status == 0
        return [band for band, number in bands().items() if number > before[band]]

    return run


def test_a_priority_puts_packets_in_another_band(need, sent, interface):
    need("net_prio", version=1)
    # The kernel sends for itself, too, in the usual band.
    assert sent(NetworkLimits()) == [USUAL]
    assert URGENT in sent(NetworkLimits(priorities=(InterfacePriority(name=interface, priority=6),)))


def test_a_class_is_what_the_filter_goes_by(need, sent, interface):
    need("net_cls", version=1)
    tc(*f"filter add dev {interface} parent 10: protocol ip prio 1 handle 1: cgroup".split())
    assert sent(NetworkLimits()) == [USUAL]
    assert BULK in sent(NetworkLimits(class_id=0x10_0003))


def test_an_interface_that_is_not_there_is_named(need, limited):
    need("net_prio", version=1)
    priorities = (InterfacePriority(name="nosuch0", priority=1),)
    with pytest.raises(Exception, match=r"net_prio\.ifpriomap cannot be set to nosuch0 1: no such device") as caught:
        limited("true", network=NetworkLimits(priorities=priorities)).run(timeout=60)
    assert "\n" not in str(caught.value)

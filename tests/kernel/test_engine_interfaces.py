"""Network interfaces of the host that move into a container (config-linux.md, Network devices)."""

import itertools
import os
import re
import shutil
import subprocess

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import StepError
from labkit.spec.model import IdMapping, Namespace, NetDevice

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("ip") is None, reason="ip is missing: sudo apt-get install iproute2"),
]
NUMBERS = itertools.count()


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def interface():
    """A virtual interface of the host with addresses of every kind."""
    name = f"lk{os.getpid() % 10**6}-{next(NUMBERS)}"
    command = ["ip", "link", "add", name, "mtu", "1400", "type", "veth", "peer", "name", f"{name}p"]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"this kernel makes no pairs of virtual interfaces: {made.stderr.strip()}")
    ip("address", "add", "192.0.2.7/24", "brd", "192.0.2.255", "dev", name)
    ip("address", "add", "169.254.7.7/16", "scope", "link", "dev", name)
    ip("address", "add", "2001:db8::7/64", "nodad", "dev", name)
    yield name
    # The kernel may be at it already: it takes namespaces down after their last process has ended.
    subprocess.run(["ip", "link", "delete", f"{name}p"], capture_output=True)


def run(rootfs, script, devices, user=False, **options):
    spec = configure(str(rootfs), ["sh", "-c", script], **options)
    spec.linux.net_devices = devices
    if user:
        spec.linux.namespaces += (Namespace(kind="user"),)
        spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    return Container.from_spec(spec).run(timeout=60)


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("new_name", ["", "eth0", "eth%d"])
def test_an_interface_moves_with_its_lasting_addresses(rootfs, interface, new_name, user):
    shown = {"": interface, "eth%d": "eth0"}.get(new_name, new_name)
    result = run(rootfs, f"ip address show {shown}", {interface: NetDevice(name=new_name)}, user)
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert re.search(r"<.*\bUP\b.*> mtu 1400", result.text)
    assert "inet 192.0.2.7/24 brd 192.0.2.255" in result.text
    assert "inet6 2001:db8::7/64" in result.text
    assert "169.254.7.7" not in result.text
    # A virtual interface ends with its namespace and does not come back.
    assert interface not in os.listdir("/sys/class/net")


def test_a_name_that_is_taken_inside_is_refused_and_the_interface_stays(rootfs, interface):
    with pytest.raises(StepError, match="MoveInterface: lo: an interface of this name is there already"):
        run(rootfs, "true", {interface: NetDevice(name="lo")})
    assert "192.0.2.7/24" in ip("address", "show", interface)


def test_an_interface_that_is_not_there_is_said(rootfs):
    with pytest.raises(StepError, match="MoveInterface: lk-none: no such network interface"):
        run(rootfs, "true", {"lk-none": NetDevice()})


def test_a_kernel_parameter_of_the_interface_can_be_set(rootfs, interface):
    spec = configure(str(rootfs), ["cat", "/proc/sys/net/ipv4/conf/eth0/forwarding"])
    spec.linux.net_devices = {interface: NetDevice(name="eth0")}
    spec.linux.sysctl = {"net.ipv4.conf.eth0.forwarding": "1"}
    assert Container.from_spec(spec).run(timeout=60).text == "1\n"

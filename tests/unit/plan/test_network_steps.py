"""The steps of networks with a kernel that notes what it is asked."""

import os

import pytest

from labkit.errors import LabkitError
from labkit.plan import network
from labkit.plan.leases import Book
from labkit.plan.step import Scene, decode

PORT = ("", 8080, 80, "tcp")


class Recorder:
    """A host without interfaces, on which nothing is forwarded."""

    def __init__(self):
        self.calls = []
        self.interfaces = set()
        self.forwarding = "0"

    def interface_exists(self, name):
        return name in self.interfaces

    def make_bridge(self, name, address, length):
        self.interfaces.add(name)
        self.calls.append(("make_bridge", name, address, length))

    def connect_bridge(self, *arguments):
        self.calls.append(("connect_bridge", *arguments))

    def delete_interface(self, name):
        self.interfaces.discard(name)
        self.calls.append(("delete_interface", name))

    def nft(self, script):
        self.calls.append(("nft", "labkit0" in script))

    def read_file(self, path):
        assert path == "/proc/sys/net/ipv4/ip_forward"
        return f"{self.forwarding}\n"

    def write_file(self, path, text):
        if path.endswith("/ip_forward"):
            self.forwarding = text
        self.calls.append(("write_file", path, text))


@pytest.fixture
def scene():
    scene = Scene(Recorder())
    scene.pid = 42
    return scene


@pytest.fixture
def taking(tmp_path):
    def take(id, ports=(), network_name="labkit0", bridge=True, folder="/none"):
        return network.TakeLease(
            str(tmp_path), bridge, folder, id, (id,), network_name, ports, "nameserver 192.0.2.53\n"
        )

    return take


def connect(scene, book, id):
    for step in (network.SetFirewall(book, "labkit0"), network.ConnectBridge(book, id, "labkit0")):
        step.apply(scene)


def test_the_first_container_makes_the_bridge_and_the_last_takes_it_away(scene, taking, tmp_path):
    calls, book = scene.kernel.calls, str(tmp_path)
    one, other = taking("one"), taking("other")
    one.apply(scene)
    connect(scene, book, "one")
    assert calls == [
        ("nft", True),
        ("write_file", "/proc/sys/net/ipv4/ip_forward", "1"),
        ("make_bridge", "labkit0", "10.213.0.1", 24),
        ("write_file", "/proc/sys/net/ipv4/conf/labkit0/route_localnet", "1"),
        ("connect_bridge", "labkit0", "lk0ad50002", 42, "10.213.0.2", 24, "10.213.0.1"),
    ]
    calls.clear()
    other.apply(scene)
    connect(scene, book, "other")
    assert calls[-1] == ("connect_bridge", "labkit0", "lk0ad50003", 42, "10.213.0.3", 24, "10.213.0.1")
    assert not any(call[0] == "make_bridge" for call in calls)
    calls.clear()
    one.undo(scene)
    assert calls == [("delete_interface", "lk0ad50002"), ("nft", True)]
    calls.clear()
    other.undo(scene)
    assert calls == [
        ("delete_interface", "lk0ad50003"),
        ("delete_interface", "labkit0"),
        ("nft", False),
        ("write_file", "/proc/sys/net/ipv4/ip_forward", "0"),
    ]
    assert os.listdir(tmp_path) == ["lock"]


def test_a_sandbox_that_its_runtime_connects_finds_the_bridge_and_its_own_end(scene, taking, tmp_path):
    book = str(tmp_path)
    step = taking("microvm:box")
    step.apply(scene)
    for _ in range(2):
        network.MakeBridge(book, "labkit0").apply(scene)
    assert [call for call in scene.kernel.calls if call[0] == "make_bridge"] == [
        ("make_bridge", "labkit0", "10.213.0.1", 24)
    ]
    assert network.cable(book, "microvm:box") == ("labkit0", "lk0ad50002", "10.213.0.2/24", "10.213.0.1")
    step.undo(scene)
    assert os.listdir(tmp_path) == ["lock"]


def test_forwarding_that_was_on_is_left_on(scene, taking, tmp_path):
    scene.kernel.forwarding = "1"
    step = taking("one")
    step.apply(scene)
    connect(scene, str(tmp_path), "one")
    step.undo(scene)
    assert not any(call[:2] == ("write_file", "/proc/sys/net/ipv4/ip_forward") for call in scene.kernel.calls)


def test_undone_twice_or_never_done_nothing_happens(scene, taking, tmp_path):
    step = taking("one")
    step.undo(scene)
    step.apply(scene)
    step.undo(scene)
    scene.kernel.calls.clear()
    step.undo(scene)
    assert scene.kernel.calls == []


def test_an_interface_of_somebody_else_is_not_taken(scene, taking, tmp_path):
    scene.kernel.interfaces.add("labkit0")
    with pytest.raises(LabkitError, match="labkit0 which is not labkit's"):
        taking("one").apply(scene)
    assert os.listdir(tmp_path) == ["lock"]


def test_a_port_is_published_once(scene, taking, tmp_path):
    taking("one", (PORT,)).apply(scene)
    with pytest.raises(LabkitError, match="published by the container one"):
        taking("other", (PORT,)).apply(scene)
    with Book(str(tmp_path)) as book:
        assert list(book.leases) == ["one"]


def test_containers_without_privilege_have_files_and_no_address(scene, taking, tmp_path):
    step = taking("one", network_name="slirp", bridge=False)
    step.apply(scene)
    assert (tmp_path / "slirp/resolv.conf").read_text() == "nameserver 192.0.2.53\n"
    assert (tmp_path / "slirp/hosts").read_text().startswith("127.0.0.1 localhost\n")
    step.undo(scene)
    assert scene.kernel.calls == []
    assert os.listdir(tmp_path) == ["lock"]


def test_who_has_a_lease_and_no_state_folder_is_forgotten(scene, taking, tmp_path):
    taking("gone").apply(scene)
    taking("there", folder=str(tmp_path)).apply(scene)
    assert network.forgotten(str(tmp_path)) == ["gone"]
    assert network.forgotten(str(tmp_path / "none")) == []


@pytest.mark.parametrize(
    "step",
    [
        network.TakeLease("/book", True, "/state", "id", ("id",), "labkit0", (PORT,), ""),
        network.ReservePort("", 8080, "tcp"),
        network.TryPort("127.0.0.1", 8080, "udp"),
        network.SetFirewall("/book", "labkit0"),
        network.ConnectBridge("/book", "id", "labkit0"),
        network.RunSlirp("/state", (PORT,)),
        network.RunPasta("/state", (PORT,)),
    ],
)
def test_each_is_encoded_and_described(step):
    assert decode(step.encode()) == step
    assert step.describe()
    assert step.call
    assert step.why

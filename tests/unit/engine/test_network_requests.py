import pytest

from labkit.engine import network
from labkit.errors import LabkitError, SpecError
from labkit.plan.build import NETWORK_ANNOTATION
from labkit.spec import default


@pytest.fixture
def run_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(network, "rundir", lambda name: str(tmp_path / name))
    monkeypatch.setattr(network.os, "geteuid", lambda: 0)
    return tmp_path


@pytest.fixture
def spec():
    return default.spec("/image", ("sh",))


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080:80", ("", 8080, 80, "tcp")),
        ("8080:80/udp", ("", 8080, 80, "udp")),
        ("127.0.0.1:1:65535/tcp", ("127.0.0.1", 1, 65535, "tcp")),
        ("0.0.0.0:8080:80", ("", 8080, 80, "tcp")),
    ],
)
def test_ports_are_understood_and_written_again(text, port):
    assert network.parse_port(text) == port
    assert network.parse_port(network.port_text(port)) == port


@pytest.mark.parametrize(
    "text",
    ["", "80", "0:80", "80:0", "80:65536", "a:80", "80:80/sctp", "80:80/", "1.2.3:80:80", "1.2.3.256:80:80", ":80:80",
     "1:2:3:4", "80:-1", "::1:80:80", "8080:80,9090:90", "80:８0"],
)  # fmt: skip
def test_what_is_no_port_is_refused(text):
    with pytest.raises(LabkitError, match="is not understood"):
        network.parse_port(text)


def test_a_bridge_is_an_annotation_and_two_files(run_folder, spec):
    network.configure(spec, "bridge:blue", ["8080:80", "53:53/udp"], writable=True)
    assert spec.annotations[NETWORK_ANNOTATION] == "bridge:blue"
    assert spec.annotations[network.PUBLISH_ANNOTATION] == "8080:80/tcp,53:53/udp"
    shown = {mount.destination: mount.source for mount in spec.mounts if mount.kind == "bind"}
    folder = run_folder / "network/lk-blue"
    assert shown == {"/etc/hosts": f"{folder}/hosts", "/etc/resolv.conf": f"{folder}/resolv.conf"}
    assert all("ro" in mount.options for mount in spec.mounts if mount.kind == "bind")


def test_no_file_is_mounted_on_what_a_read_only_root_lacks(run_folder, spec, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").touch()
    spec.root.path = str(tmp_path)
    network.configure(spec, "bridge", [], writable=False)
    assert [mount.destination for mount in spec.mounts if mount.kind == "bind"] == ["/etc/hosts"]


def test_none_is_a_namespace_without_anything(run_folder, spec):
    before = spec.dump()
    network.configure(spec, "none", [], writable=True)
    assert spec.dump() == before


def test_the_hosts_is_no_namespace(run_folder, spec):
    network.configure(spec, "host", [], writable=True)
    assert "network" not in spec.linux.kinds()


@pytest.mark.parametrize("name", ["x" * 13, "a/b", "a b", 'a"', "a;flush ruleset", "é"])
def test_a_bridge_cannot_have_every_name(run_folder, spec, name):
    with pytest.raises(LabkitError, match="is no name of a bridge"):
        network.configure(spec, f"bridge:{name}", [], writable=True)


def test_a_bundles_annotation_is_checked_as_well(run_folder, spec):
    spec.annotations[NETWORK_ANNOTATION] = 'bridge:"; flush'
    with pytest.raises(LabkitError, match="is no name of a bridge"):
        network.prepare(spec, "id", "/state")


def test_the_annotation_needs_a_network_namespace(run_folder, spec):
    spec.annotations[NETWORK_ANNOTATION] = "bridge"
    spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind != "network")
    with pytest.raises(SpecError, match="needs a new network namespace"):
        network.prepare(spec, "id", "/state")


def test_the_steps_of_a_bridge_in_their_order(run_folder, spec, monkeypatch):
    monkeypatch.setattr(network, "find_nft", lambda: "/usr/sbin/nft")
    network.configure(spec, "bridge", ["8080:80"], writable=True)
    before, after = network.prepare(spec, "web", "/state")
    assert [type(step).__name__ for step in before] == ["TakeLease", "ReservePort"]
    # What keeps networks apart is there before anything is connected.
    assert [type(step).__name__ for step in after] == ["SetFirewall", "ConnectBridge"]


def test_of_a_sandbox_that_its_runtime_connects_all_but_the_cable_is_made(run_folder, spec, monkeypatch):
    monkeypatch.setattr(network, "find_nft", lambda: "/usr/sbin/nft")
    network.configure(spec, "bridge:red", ["8080:80"], writable=True)
    steps = network.prepare_bridge(spec, "web", "/place", "microvm:web")
    assert [type(step).__name__ for step in steps] == ["TakeLease", "ReservePort", "SetFirewall", "MakeBridge"]
    lease = steps[0]
    assert (lease.id, lease.names, lease.network, lease.folder) == ("microvm:web", ("web",), "lk-red", "/place")


@pytest.mark.parametrize("asked", ["slirp", "pasta", "wifi"])
def test_a_sandbox_of_another_runtime_has_no_network_but_a_bridge(run_folder, spec, asked):
    spec.annotations[NETWORK_ANNOTATION] = asked
    with pytest.raises(LabkitError, match=f"the network {asked} is of labkit's own engine"):
        network.prepare_bridge(spec, "web", "/place", "microvm:web")


@pytest.mark.parametrize(("hostname", "names"), [("labkit", ("web",)), ("shop", ("web", "shop")), ("a b\n", ("web",))])
def test_by_which_names_a_container_is_found(run_folder, spec, monkeypatch, hostname, names):
    monkeypatch.setattr(network, "find_nft", lambda: "/usr/sbin/nft")
    spec.hostname = hostname
    spec.annotations[NETWORK_ANNOTATION] = "bridge"
    assert network.prepare(spec, "web", "/state")[0][0].names == names


def test_name_servers_that_only_the_host_reaches_are_left_out(monkeypatch):
    files = {
        "/etc/resolv.conf": "nameserver 127.0.0.53\nsearch lan\n",
        "/run/systemd/resolve/resolv.conf": "nameserver 127.0.0.1\nnameserver 192.0.2.53\nsearch lan\n",
    }
    monkeypatch.setattr(network, "read_file", lambda path: files[path])
    assert network._resolvers("bridge") == "nameserver 192.0.2.53\nsearch lan\n"
    assert network._resolvers("slirp") == "nameserver 10.0.2.3\n"

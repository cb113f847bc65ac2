import pytest

from labkit.errors import SpecError
from labkit.spec import default
from labkit.spec.model import BlockIo, Cpu, Memory, Mount, Namespace, Spec
from labkit.vm.guest_bundle import OVERHEAD, UNLIMITED, take_apart
from labkit.vm.qemu import MIB
from labkit.vm.wire import ANNOTATION


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "rootfs").mkdir()
    made = default.spec(str(tmp_path / "rootfs"), ("sh",))
    made.linux.resources.memory = Memory()
    return made


def bind(source, *options):
    return Mount(destination="/data", kind="bind", source=str(source), options=("rbind", *options))


def test_the_root_filesystem_is_a_share_that_can_be_written_to_when_the_container_may(spec, tmp_path):
    parts = take_apart(spec, rootless=False)
    [share] = parts.shares
    assert (share.path, share.writable) == (str(tmp_path / "rootfs"), True)
    assert parts.spec.root.path == f"/shared/{share.tag}"


def test_a_readonly_root_filesystem_is_a_readonly_share(spec):
    spec.root.readonly = True
    parts = take_apart(spec, rootless=False)
    assert not parts.shares[0].writable
    # The guest has a layer in memory over it.
    assert parts.spec.root.path == "/shared/layer/root"


def test_a_folder_mounted_by_bind_is_a_share(spec, tmp_path):
    spec.mounts += (bind(tmp_path), bind(tmp_path, "ro"))
    parts = take_apart(spec, rootless=False)
    assert [(share.path, share.writable) for share in parts.shares[1:]] == [
        (str(tmp_path), True),
        (str(tmp_path), False),
    ]
    assert [mount.source for mount in parts.spec.mounts[-2:]] == [f"/shared/{share.tag}" for share in parts.shares[1:]]


def test_a_file_to_read_is_a_copy(spec, tmp_path):
    (tmp_path / "hosts").write_bytes(b"127.0.0.1 here\n")
    spec.mounts += (bind(tmp_path / "hosts", "ro"),)
    parts = take_apart(spec, rootless=False)
    [(name, content)] = parts.copies
    assert content == b"127.0.0.1 here\n"
    assert parts.spec.mounts[-1].source == f"/shared/{name}"
    assert len(parts.shares) == 1


@pytest.mark.parametrize("file", [True, False])
def test_recursive_options_are_plain_for_a_file_alone(spec, tmp_path, file):
    (tmp_path / "hosts").write_bytes(b"127.0.0.1 here\n")
    spec.mounts += (bind(tmp_path / "hosts" if file else tmp_path, "rro", "rnosuid", "private"),)
    options = take_apart(spec, rootless=False).spec.mounts[-1].options
    assert options == (("rbind", "ro", "nosuid", "private") if file else ("rbind", "rro", "rnosuid", "private"))


def test_other_mounts_stay_as_they_are(spec):
    before = [mount.dump() for mount in spec.mounts]
    assert [mount.dump() for mount in take_apart(spec, rootless=False).spec.mounts] == before


@pytest.mark.parametrize(
    ("quota", "period", "there", "cpus"),
    [(None, None, 8, 1), (-1, 100_000, 8, 1), (50_000, 100_000, 8, 1), (250_000, None, 8, 3), (900_000, 100_000, 4, 4)],
)
def test_there_are_as_many_processors_as_the_quota_needs(spec, monkeypatch, quota, period, there, cpus):
    monkeypatch.setattr("os.cpu_count", lambda: there)
    spec.linux.resources.cpu = Cpu(quota=quota, period=period)
    assert take_apart(spec, rootless=False).cpus == cpus


@pytest.mark.parametrize(("limit", "most"), [(None, UNLIMITED), (-1, UNLIMITED), (64 * MIB, 64 * MIB), (1, MIB)])
def test_the_machine_has_the_containers_memory_and_its_own(spec, limit, most):
    spec.linux.resources.memory = Memory(limit=limit)
    assert take_apart(spec, rootless=False).memory == OVERHEAD + most


def test_an_ordinary_users_files_are_roots_in_the_guest(spec):
    spec.linux.namespaces += (Namespace(kind="user"),)
    parts = take_apart(spec, rootless=True)
    assert "user" not in [namespace.kind for namespace in parts.spec.linux.namespaces]
    assert parts.spec.linux.uid_mappings == ()


WIRE = "bridge=labkit0 tap=lk0ad50002 address=10.213.0.2/24 gateway=10.213.0.1"


def network(spec):
    return [(each.kind, each.path) for each in spec.linux.namespaces if each.kind == "network"]


def test_without_a_wire_the_container_has_a_network_namespace_of_its_own(spec):
    parts = take_apart(spec, rootless=False)
    assert parts.wire is None
    assert network(parts.spec) == [("network", "")]


@pytest.mark.parametrize("path", ["", "/proc/7/fd/9"])
def test_with_a_wire_the_container_is_in_the_guests_network_and_the_tap_where_the_bundle_says(spec, path):
    spec.annotations[ANNOTATION] = WIRE
    spec.linux.namespaces = tuple(
        Namespace(kind=each.kind, path=path if each.kind == "network" else "") for each in spec.linux.namespaces
    )
    parts = take_apart(spec, rootless=False)
    assert parts.wire.text() == WIRE
    assert parts.namespace == path
    assert network(parts.spec) == [("network", "/proc/1/ns/net")]
    assert ANNOTATION not in parts.spec.annotations


def test_the_files_of_a_network_are_seen_as_they_change(spec, tmp_path):
    (tmp_path / "hosts").write_text("10.213.0.2 web\n")
    spec.annotations[ANNOTATION] = f"{WIRE} files={tmp_path}"
    spec.mounts += (bind(tmp_path / "hosts", "ro"),)
    parts = take_apart(spec, rootless=False)
    [_, share] = parts.shares
    assert (share.path, share.cache, share.writable) == (str(tmp_path), "auto", False)
    assert parts.spec.mounts[-1].source == f"/shared/{share.tag}/hosts"
    assert parts.copies == []


def test_what_comes_out_is_a_configuration(spec, tmp_path):
    spec.mounts += (bind(tmp_path),)
    dumped = take_apart(spec, rootless=False).spec.dump()
    assert Spec.load(dumped, "").dump() == dumped


def _namespace(spec):
    spec.linux.namespaces = (Namespace(kind="network", path="/proc/1/ns/net"),)
    return "/linux/namespaces/0/path"


def _wired_namespace(spec):
    spec.annotations[ANNOTATION] = WIRE
    spec.linux.namespaces = (Namespace(kind="network"), Namespace(kind="uts", path="/proc/1/ns/uts"))
    return "/linux/namespaces/1/path"


def _hosts_network(spec):
    spec.linux.namespaces = (Namespace(kind="mount"),)
    return "/linux/namespaces"


def _broken_wire(spec):
    spec.annotations[ANNOTATION] = "labkit0"
    return f"/annotations/{ANNOTATION}"


def _throttle(spec):
    spec.linux.resources.block_io = BlockIo(weight=100)
    return "/linux/resources/blockIO"


def _terminal(spec):
    spec.process.terminal = True
    return "/process/terminal"


def _missing(spec):
    spec.mounts = (bind("/nowhere/at/all"),)
    return "/mounts/0/source"


def _device(spec):
    spec.mounts = (bind("/dev/null"),)
    return "/mounts/0/source"


@pytest.mark.parametrize(
    "change",
    [_namespace, _wired_namespace, _hosts_network, _broken_wire, _throttle, _terminal, _missing, _device],
)
def test_what_a_guest_cannot_honour_is_refused_by_its_place(spec, change):
    pointer = change(spec)
    with pytest.raises(SpecError) as caught:
        take_apart(spec, rootless=False)
    assert caught.value.pointer == pointer

import pytest

from labkit.errors import SpecError
from labkit.spec import default
from labkit.spec.model import BlockIo, Cpu, Memory, Mount, Namespace, Spec
from labkit.vm.guest_bundle import OVERHEAD, UNLIMITED, take_apart
from labkit.vm.qemu import MIB


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


def test_what_comes_out_is_a_configuration(spec, tmp_path):
    spec.mounts += (bind(tmp_path),)
    dumped = take_apart(spec, rootless=False).spec.dump()
    assert Spec.load(dumped, "").dump() == dumped


def _namespace(spec):
    spec.linux.namespaces = (Namespace(kind="network", path="/proc/1/ns/net"),)
    return "/linux/namespaces/0/path"


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


@pytest.mark.parametrize("change", [_namespace, _throttle, _terminal, _missing, _device])
def test_what_a_guest_cannot_honour_is_refused_by_its_place(spec, change):
    pointer = change(spec)
    with pytest.raises(SpecError) as caught:
        take_apart(spec, rootless=False)
    assert caught.value.pointer == pointer

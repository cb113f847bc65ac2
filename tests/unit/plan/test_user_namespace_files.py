"""What a user namespace cannot open or make itself: closed sources of bind mounts, and device nodes."""

import os
import stat

import pytest

from labkit.linux import kernel
from labkit.plan import build, devices, filesystems, mounts, roots
from labkit.plan.facts import Facts
from labkit.plan.idmap import CloseSources
from labkit.plan.nodes import BindNode, MakeNodes, ShowNodes
from labkit.plan.step import Scene
from labkit.spec import default
from labkit.spec.model import Device, IdMapping, Mount, Namespace

DISK = Device(kind="b", path="/dev/disk", major=7, minor=3, mode=0o100640, uid=10, gid=70_000)
FIFO = Device(kind="p", path="/dev/fifo")


def spec(*listed):
    made = default.spec("/image", ("sh",))
    made.linux.namespaces += (Namespace(kind="user"),)
    made.linux.uid_mappings = made.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    made.linux.devices = listed
    return made


def child(made, notes=None, **facts):
    return build.child_steps(made, Facts(**facts), "/scratch", None, [] if notes is None else notes)


class Recorder:
    """Stands for labkit.linux.kernel: notes each call; a filesystem is a folder, and other descriptors are of null."""

    def __init__(self, folder):
        self.calls = []
        self.folder = folder

    def __getattr__(self, name):
        assert hasattr(kernel, name)

        def call(*arguments):
            self.calls.append((name, *arguments))
            if name in ("fsmount", "open_tree", "open_or_make"):
                return os.open(self.folder if name == "fsmount" else "/dev/null", os.O_RDONLY)
            return None

        return call

    @property
    def names(self):
        return [call[0] for call in self.calls]


@pytest.fixture
def scene(tmp_path):
    before = set(os.listdir("/proc/self/fd"))
    yield Scene(Recorder(tmp_path))
    assert set(os.listdir("/proc/self/fd")) == before


def test_the_parent_makes_nodes_with_the_owners_that_the_ids_inside_stand_for():
    (made,) = filesystems.node_steps(spec(FIFO, DISK), Facts())
    assert made == MakeNodes((("1", "b", 7, 3, 0o640, 100_010, 0),))


def test_the_child_shows_the_nodes_while_it_has_its_outer_ids_and_binds_each():
    notes = []
    steps = child(spec(FIFO, DISK), notes)
    names = [type(step).__name__ for step in steps]
    assert names.index("ShowNodes") < names.index("BecomeRoot") < names.index("PivotRoot")
    assert BindNode("1", "/dev/disk") in steps
    assert devices.MakeDevice(0, "p", 0, 0, 0o666, "/dev/fifo", 0) in steps
    assert [note for note in notes if "/dev/disk" in note] == [
        "/dev/disk has nobody's gid: 70000 is not in the user namespace's map"
    ]


@pytest.mark.parametrize(
    ("listed", "facts"),
    [((), {}), ((FIFO,), {}), ((Device(kind="c", path="/dev/fd", major=1, minor=3),), {}), ((DISK,), {"euid": 1000})],
)
def test_without_nodes_to_make_outside_nothing_is_mounted_for_them(listed, facts):
    assert filesystems.node_steps(spec(*listed), Facts(**facts)) == []
    assert not any(isinstance(step, ShowNodes | BindNode) for step in child(spec(*listed), **facts))


def test_an_ordinary_user_binds_the_hosts_node():
    notes = []
    steps = child(spec(DISK), notes, euid=1000)
    assert mounts.BindMount(0, 0, 0, "/dev/disk", -1, False, 0, "/dev/disk") in steps
    assert any("/dev/disk is the host's" in note for note in notes)


def test_in_a_dev_of_the_host_there_is_nothing_to_bind_a_node_on():
    made = spec(DISK)
    made.mounts = (Mount(destination="/dev", source="/dev", options=("rbind",)),)
    assert filesystems.node_steps(made, Facts()) == []
    assert not any(isinstance(step, BindNode) for step in child(made))


def test_where_the_parent_may_not_make_nodes_the_hosts_are_bound(scene, tmp_path):
    def refused(*arguments):
        raise PermissionError(1, "not permitted")

    scene.kernel.fsmount = refused
    MakeNodes((("0", "c", 1, 3, 0o666, 0, 0),)).apply(scene)
    ShowNodes("/scratch").apply(scene)
    assert scene.devices == -1
    BindNode("0", "/dev/null").apply(scene)
    assert scene.kernel.names == ["open_tree", "open_or_make", "move_mount"]


@pytest.mark.root
def test_nodes_are_made_with_mode_and_owner_whatever_the_mask_is(scene, tmp_path):
    mask = os.umask(0o077)
    try:
        MakeNodes((("0", "c", 1, 3, 0o666, 100_010, 100_011),)).apply(scene)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(mask)
    found = os.stat(tmp_path / "0")
    assert (found.st_mode, found.st_rdev) == (stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert (found.st_uid, found.st_gid) == (100_010, 100_011)
    ShowNodes("/scratch").apply(scene)
    BindNode("0", "/dev/x").apply(scene)
    assert scene.kernel.names == ["fsmount", "mount_at", "open_tree", "open_or_make", "move_mount"]
    CloseSources().apply(scene)


@pytest.fixture
def refused(monkeypatch):
    """Every path is closed to this process."""

    def refuse(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", path)

    opened = os.open
    for module in (mounts, roots):
        monkeypatch.setattr(module.os, "open", refuse)
    return opened


def bind(source):
    return mounts.BindMount(0, 0, 0, "/x", 0, True, 0, source)


def test_a_closed_source_is_left_to_the_parent_who_is_asked_when_it_is_bound(scene, refused):
    asked = []

    def borrow(path):
        asked.append(path)
        return refused("/dev/null", os.O_RDONLY)

    scene.borrow = borrow
    for name in ("open_tree", "open_or_make"):
        setattr(scene.kernel, name, lambda *arguments: refused("/dev/null", os.O_RDONLY))
    roots.OpenSource(0, "/closed/x").apply(scene)
    assert asked == []
    bind("/closed/x").apply(scene)
    assert asked == ["/closed/x"]


def test_without_anybody_to_ask_a_closed_source_is_an_error(scene, refused):
    with pytest.raises(PermissionError, match="/closed/x"):
        bind("/closed/x").apply(scene)

import pytest

from labkit.cgroups import systemd
from labkit.cgroups.detect import Hierarchy, Layout
from labkit.cgroups.place import place
from labkit.errors import LabkitError, SpecError
from labkit.plan.parent import CloneIntoCgroup, MakeCgroup
from labkit.plan.scope import EndPlaceholder, StartScope
from labkit.spec.model import Pids, Resources


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("system.slice:labkit:box", "/system.slice/labkit-box.scope"),
        (":labkit:box", "/system.slice/labkit-box.scope"),
        ("machine-lab.slice::box", "/machine.slice/machine-lab.slice/box.scope"),
        ("-.slice:labkit:box", "/labkit-box.scope"),
    ],
)
def test_a_scope_is_in_the_folders_of_its_slices(path, folder):
    assert systemd.parse(path).folder() == folder


@pytest.mark.parametrize("path", ["", "lab/box", "/a:b:c", "a:b", "a:b:c:d"])
def test_everything_else_is_a_folder(path):
    assert systemd.parse(path) is None


@pytest.mark.parametrize(
    "path", ["system:labkit:box", "a--b.slice:labkit:box", "a.b.slice:x:y", "system.slice:labkit:"]
)
def test_what_is_no_slice_or_no_name_points_to_its_place(path):
    with pytest.raises(SpecError) as caught:
        systemd.parse(path)
    assert caught.value.pointer == "/linux/cgroupsPath"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host on which systemd runs, with one v2 tree."""
    for name in ("RUNNING", "BUSCTL"):
        monkeypatch.setattr(systemd, name, str(tmp_path))
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 0)
    monkeypatch.setattr(systemd, "read_file", lambda path: "0 0 4294967295\n")
    return Layout([Hierarchy(2, str(tmp_path / "cg"), str(tmp_path / "cg"), ("memory", "pids"))])


def test_the_containers_cgroup_is_below_the_scope(host, tmp_path):
    found = place(Resources(pids=Pids(limit=5)), "lab.slice:labkit:box", "abc", host)
    scope = f"{tmp_path}/cg/lab.slice/labkit-box.scope"
    start, hand_down, make, limit, clone = found.before
    assert start == StartScope(str(tmp_path), "labkit container abc", scope, "lab.slice", "labkit-box.scope")
    assert (hand_down.file, hand_down.value) == (f"{scope}/cgroup.subtree_control", "+memory +pids")
    assert make == MakeCgroup(f"{scope}/abc")
    assert limit.file == f"{scope}/abc/pids.max"
    assert clone == CloneIntoCgroup(f"{scope}/abc")
    assert found.after == [EndPlaceholder(scope)]
    assert (found.folders, found.parents) == ([f"{scope}/abc"], [scope])


def test_a_scope_of_somebody_else_is_not_taken_over(host, tmp_path):
    (tmp_path / "cg/lab.slice/labkit-box.scope").mkdir(parents=True)
    with pytest.raises(LabkitError, match=r"labkit-box\.scope exists"):
        place(Resources(), "lab.slice:labkit:box", "abc", host)


def test_without_systemd_it_is_one_line(host, monkeypatch):
    for mode, words in (("hybrid", "takes cgroup v2 alone"), ("v2", "")):
        if words:
            with pytest.raises(SpecError, match=words):
                systemd.require(mode)
        else:
            systemd.require(mode)
    monkeypatch.setattr(systemd.os, "geteuid", lambda: 1000)
    with pytest.raises(SpecError, match="for root only"):
        systemd.require("v2")
    monkeypatch.setattr(systemd, "RUNNING", "/nonexistent")
    with pytest.raises(SpecError, match="does not run here"):
        place(Resources(), "lab.slice:labkit:box", "abc", host)

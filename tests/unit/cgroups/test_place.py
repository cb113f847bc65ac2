"""Placement on trees of plain files: planning only reads them."""

import pytest

from labkit.cgroups.detect import Hierarchy, Layout
from labkit.cgroups.place import place
from labkit.errors import LabkitError
from labkit.plan.parent import CloneIntoCgroup, InheritCpuset, MakeCgroup, MakeParentCgroup, WriteCgroup
from labkit.plan.process import JoinCgroup
from labkit.spec.model import Memory, Pids, Resources

LIMITED = Resources(memory=Memory(limit=2**26), pids=Pids(limit=8))


@pytest.fixture
def v1(tmp_path):
    for name in ("memory", "pids", "cpuset", "systemd"):
        (tmp_path / name / "own").mkdir(parents=True)
    return Layout(
        Hierarchy(1, str(tmp_path / name), str(tmp_path / name / "own"), (controller,))
        for name, controller in (
            ("memory", "memory"),
            ("pids", "pids"),
            ("cpuset", "cpuset"),
            ("systemd", "name=systemd"),
        )
    )


def cgroup2(folder, controllers="cpu memory pids", handed="", procs="", root=False):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.controllers").write_text(controllers + "\n")
    (folder / "cgroup.subtree_control").write_text(handed + "\n")
    (folder / "cgroup.procs").write_text(procs)
    if not root:
        (folder / "cgroup.type").write_text("domain\n")
    return folder


def layout2(mount, own):
    return Layout([Hierarchy(2, str(mount), str(own), ("cpu", "memory", "pids"))])


def test_v1_goes_below_the_callers_own_cgroup(v1, tmp_path):
    found = place(LIMITED, "", "abc", v1)
    assert found.folders == [f"{tmp_path}/{name}/own/labkit-abc" for name in ("memory", "pids", "cpuset")]
    assert WriteCgroup(f"{tmp_path}/pids/own/labkit-abc/pids.max", "8", "") not in found.before
    assert f"{tmp_path}/pids/own/labkit-abc/pids.max" in [getattr(step, "file", "") for step in found.before]
    assert InheritCpuset(f"{tmp_path}/cpuset/own/labkit-abc") in found.before
    assert found.child == [JoinCgroup(folder) for folder in found.folders]


def test_an_absolute_path_counts_from_the_root_and_its_way_is_shared(v1, tmp_path):
    found = place(Resources(), "/lab/one/abc", "abc", v1)
    assert found.folders[0] == f"{tmp_path}/memory/lab/one/abc"
    assert found.parents[:2] == [f"{tmp_path}/memory/lab", f"{tmp_path}/memory/lab/one"]
    assert MakeParentCgroup(f"{tmp_path}/memory/lab") in found.before
    assert MakeCgroup(f"{tmp_path}/memory/lab") not in found.before
    # A cpuset on the way is as empty as the last.
    assert InheritCpuset(f"{tmp_path}/cpuset/lab") in found.before


def test_a_parent_that_is_there_is_not_the_containers_to_remove(v1, tmp_path):
    (tmp_path / "memory/lab").mkdir()
    assert f"{tmp_path}/memory/lab" not in place(Resources(), "/lab/abc", "abc", v1).parents


def test_a_path_that_climbs_out_is_refused(v1):
    with pytest.raises(LabkitError, match="climbs out"):
        place(Resources(), "../other", "abc", v1)


def test_a_limit_without_its_controller_is_an_error_and_never_silence(tmp_path):
    layout = Layout([Hierarchy(1, str(tmp_path), str(tmp_path), ("memory",))])
    with pytest.raises(LabkitError, match=r"pids\.max") as caught:
        place(LIMITED, "", "abc", layout)
    assert "doctor" in caught.value.hint


def test_on_v2_the_process_is_born_in_its_cgroup(tmp_path):
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    found = place(LIMITED, "", "abc", layout2(tmp_path, tmp_path))
    assert found.folders == [f"{tmp_path}/labkit-abc"]
    assert found.before[-1] == CloneIntoCgroup(f"{tmp_path}/labkit-abc")
    assert found.child == []


def test_on_v2_controllers_are_handed_down_where_that_is_allowed(tmp_path):
    cgroup2(tmp_path, handed="cpu", procs="1\n", root=True)
    first = place(LIMITED, "", "abc", layout2(tmp_path, tmp_path)).before[0]
    assert (first.file, first.value) == (f"{tmp_path}/cgroup.subtree_control", "+memory +pids")


def test_on_v2_a_cgroup_with_processes_is_passed_over_for_its_ancestor(tmp_path):
    """No internal processes (cgroup-v2.rst): a login's scope has some, the slice above it none."""
    cgroup2(tmp_path, root=True, handed="memory pids")
    cgroup2(tmp_path / "user.slice", handed="memory pids")
    scope = cgroup2(tmp_path / "user.slice/session.scope", controllers="memory pids", procs="77\n")
    assert place(LIMITED, "", "abc", layout2(tmp_path, scope)).folders == [f"{tmp_path}/user.slice/labkit-abc"]


def test_on_v2_without_limits_the_callers_own_cgroup_will_do(tmp_path):
    cgroup2(tmp_path, root=True)
    scope = cgroup2(tmp_path / "session.scope", procs="77\n")
    assert place(Resources(), "", "abc", layout2(tmp_path, scope)).folders == [f"{scope}/labkit-abc"]


def test_on_v2_a_path_of_several_folders_hands_controllers_down_all_the_way(tmp_path):
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    found = place(LIMITED, "/lab/abc", "abc", layout2(tmp_path, tmp_path))
    files = [getattr(step, "file", "") for step in found.before]
    assert f"{tmp_path}/lab/cgroup.subtree_control" in files
    assert f"{tmp_path}/lab/abc/memory.max" in files


def test_hybrid_uses_each_controller_where_it_is(tmp_path):
    (tmp_path / "memory").mkdir()
    unified = cgroup2(tmp_path / "unified", controllers="pids", handed="pids", root=True)
    layout = Layout(
        [
            Hierarchy(1, str(tmp_path / "memory"), str(tmp_path / "memory"), ("memory",)),
            Hierarchy(2, str(unified), str(unified), ("pids",)),
        ]
    )
    found = place(LIMITED, "", "abc", layout)
    assert found.folders == [f"{tmp_path}/memory/labkit-abc", f"{unified}/labkit-abc"]
    assert f"{unified}/labkit-abc/pids.max" in [getattr(step, "file", "") for step in found.before]


def test_hybrid_leaves_a_unified_tree_without_controllers_alone(v1, tmp_path):
    layout = Layout([*v1.hierarchies, Hierarchy(2, str(tmp_path), str(tmp_path), ())])
    assert str(tmp_path / "labkit-abc") not in place(LIMITED, "", "abc", layout).folders


@pytest.fixture
def not_writable(monkeypatch):
    """root may write everywhere, so what an ordinary user may is said here."""
    monkeypatch.setattr("labkit.cgroups.place.os.access", lambda path, mode: False)


@pytest.mark.usefixtures("not_writable")
def test_limits_that_an_ordinary_user_cannot_set_are_an_error(v1, tmp_path):
    with pytest.raises(LabkitError, match="not delegated") as caught:
        place(LIMITED, "", "abc", v1)
    assert "systemd-run" in caught.value.hint
    cgroup2(tmp_path / "two", root=True)
    with pytest.raises(LabkitError, match="not delegated"):
        place(LIMITED, "", "abc", layout2(tmp_path / "two", tmp_path / "two"))


@pytest.mark.usefixtures("not_writable")
def test_without_limits_an_ordinary_user_has_no_cgroup_and_one_note(v1, tmp_path):
    found = place(Resources(), "", "abc", v1)
    assert found.folders == found.before == []
    assert len(found.notes) == 1
    cgroup2(tmp_path / "two", root=True)
    assert len(place(Resources(), "", "abc", layout2(tmp_path / "two", tmp_path / "two")).notes) == 1

import os

import pytest

from labkit.errors import LabkitError
from labkit.linux import proc
from labkit.plan import parent
from labkit.plan.step import Scene


@pytest.fixture
def scene():
    return Scene()


def test_the_state_folder_names_its_owner(scene, tmp_path):
    step = parent.MakeStateFolder(b"{}", '{"version": 2}\n', True, str(tmp_path / "abc"), False)
    step.apply(scene)
    with open("/proc/self/stat") as stat:
        start = proc.start_time(stat.read())
    assert (tmp_path / "abc/state").read_text() == f'{{"version": 2}}\n{{"owner": [{os.getpid()}, {start}]}}\n'
    assert sorted(os.listdir(tmp_path / "abc")) == ["config.json", "exec.fifo", "start.failure", "state"]
    step.undo(scene)
    assert list(tmp_path.iterdir()) == []


def test_a_root_is_mounted_where_nobody_else_may_enter(scene, tmp_path):
    step = parent.MakeStateFolder(b"", "{}\n", False, str(tmp_path / "abc"), True)
    step.apply(scene)
    assert sorted(os.listdir(tmp_path / "abc")) == ["root", "state"]
    assert (tmp_path / "abc").stat().st_mode & 0o777 == 0o700
    step.undo(scene)
    assert list(tmp_path.iterdir()) == []


def test_an_id_is_taken_while_its_folder_exists(scene, tmp_path):
    parent.MakeStateFolder(b"", "{}\n", False, str(tmp_path / "abc"), False).apply(scene)
    with pytest.raises(LabkitError, match="'abc' exists"):
        parent.MakeStateFolder(b"", "{}\n", False, str(tmp_path / "abc"), False).apply(scene)
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]


def test_undoing_what_was_never_done_is_no_error(scene, tmp_path):
    missing = str(tmp_path / "missing")
    for step in (
        parent.MakeStateFolder(b"", "", False, missing, True),
        parent.MakeCgroup(missing),
        parent.MakeParentCgroup(missing),
        parent.CloneIntoCgroup(missing),
    ):
        assert list(step.undo(scene) or ()) == []


def test_a_cgroup_that_others_share_is_left_to_them(scene, tmp_path):
    step = parent.MakeParentCgroup(str(tmp_path / "shared"))
    step.apply(scene)
    step.apply(scene)
    (tmp_path / "shared/other").mkdir()
    step.undo(scene)
    assert (tmp_path / "shared/other").is_dir()
    (tmp_path / "shared/other").rmdir()
    step.undo(scene)
    assert not (tmp_path / "shared").exists()


def test_a_cgroup_of_another_container_is_not_taken_over(scene, tmp_path):
    with pytest.raises(LabkitError, match="exists"):
        parent.MakeCgroup(str(tmp_path)).apply(scene)


def test_the_start_time_is_found_behind_a_hostile_name():
    line = "42 (a) b) (c) S " + " ".join(str(n) for n in range(4, 53))
    assert proc.start_time(line) == 22


CPUSET = ("cpuset.cpus", "cpuset.mems")


@pytest.fixture
def cpusets(tmp_path):
    """A cpuset with all CPUs and one below it, as files; what the lower one has."""
    (tmp_path / "own").mkdir()
    for name, text in (("cpuset.cpus", "0-3\n"), ("cpuset.mems", "\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / "own" / name).touch()
    return lambda: [(tmp_path / "own" / name).read_text() for name in CPUSET]


def test_a_child_cpuset_begins_with_its_parents(scene, tmp_path, cpusets):
    parent.InheritCpuset(CPUSET, True, str(tmp_path / "own")).apply(scene)
    assert cpusets() == ["0-3", "0"]


def test_a_cpuset_that_was_there_keeps_what_it_has(scene, tmp_path, cpusets):
    (tmp_path / "own/cpuset.cpus").write_text("2\n")
    parent.InheritCpuset(CPUSET, False, str(tmp_path / "own")).apply(scene)
    assert cpusets() == ["2\n", "0"]


def test_what_a_limit_sets_is_not_inherited(scene, tmp_path, cpusets):
    parent.InheritCpuset(CPUSET[1:], True, str(tmp_path / "own")).apply(scene)
    assert cpusets() == ["", "0"]

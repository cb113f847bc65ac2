import pytest

from labkit.cgroups import folders, processes
from labkit.errors import LabkitError


def test_controllers_of_v1_are_in_the_names_of_its_files(tmp_path):
    for name in ("cgroup.procs", "cpu.shares", "cpuacct.usage", "tasks"):
        (tmp_path / name).touch()
    assert folders.controllers(str(tmp_path)) == {"cpu", "cpuacct"}


def test_controllers_of_v2_are_listed(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("memory pids\n")
    (tmp_path / "cpu.stat").touch()
    assert folders.controllers(str(tmp_path)) == {"memory", "pids"}


def test_a_cgroup_that_is_gone(tmp_path):
    with pytest.raises(LabkitError, match="is gone"):
        folders.controllers(str(tmp_path / "gone"))
    assert folders.descend(str(tmp_path / "gone")) == []


def test_processes_are_those_of_all_trees_and_all_below(tmp_path):
    for name, pids in (("one", "5\n3\n"), ("one/below", "9\n"), ("two", "3\n0\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text(pids)
    assert processes.pids([str(tmp_path / "one"), str(tmp_path / "two")]) == [3, 5, 9]

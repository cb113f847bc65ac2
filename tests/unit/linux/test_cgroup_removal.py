import errno
import os

import pytest

from labkit.linux import cgroupfs


@pytest.fixture
def busy(monkeypatch):
    """Folders that cannot be removed so many times yet."""
    left = {}
    remove = os.rmdir

    def rmdir(path):
        if left.get(path, 0):
            left[path] -= 1
            raise OSError(errno.EBUSY, "busy", path)
        remove(path)

    monkeypatch.setattr(cgroupfs.os, "rmdir", rmdir)
    return left


def test_each_item_is_a_moment_in_which_it_is_still_there(tmp_path, busy):
    (tmp_path / "x").mkdir()
    busy[f"{tmp_path}/x"] = 2
    moments = cgroupfs.leaving_cgroup(f"{tmp_path}/x")
    for _ in range(2):
        assert next(moments, "end") is None
        assert (tmp_path / "x").is_dir()
    assert next(moments, "end") == "end"
    assert not (tmp_path / "x").exists()


def test_those_below_go_first(tmp_path, busy):
    (tmp_path / "x/y").mkdir(parents=True)
    busy.update({f"{tmp_path}/x": 1, f"{tmp_path}/x/y": 1})
    cgroupfs.leave_cgroup(f"{tmp_path}/x")
    assert os.listdir(tmp_path) == []


def test_one_that_others_stay_in_is_left_and_one_whose_processes_do_not_end_is_an_error(tmp_path, busy, monkeypatch):
    monkeypatch.setattr(cgroupfs, "_GRACE", 0)
    monkeypatch.setattr(cgroupfs, "_DEADLINE", 0)
    (tmp_path / "x").mkdir()
    (tmp_path / "x/cgroup.procs").touch()
    busy[f"{tmp_path}/x"] = 10**6
    assert set(cgroupfs.leaving_cgroup(f"{tmp_path}/x")) <= {None}
    with pytest.raises(OSError, match="busy"):
        cgroupfs.remove_cgroup(f"{tmp_path}/x")


def test_one_that_is_gone_at_once_takes_no_moment(tmp_path):
    (tmp_path / "x").mkdir()
    assert cgroupfs.leaving_cgroup(f"{tmp_path}/x") is None
    assert not (tmp_path / "x").exists()
    assert cgroupfs.leaving_cgroup(f"{tmp_path}/x") is None

"""Freezing with files that stand for a kernel which is late, or never done."""

import errno

import pytest

from labkit.cgroups import freeze, processes
from labkit.errors import LabkitError


@pytest.fixture
def v1(tmp_path, monkeypatch):
    """A freezer that says FREEZING as often as `late` has it."""
    (tmp_path / "freezer.state").write_text("THAWED\n")
    (tmp_path / "freezer.self_freezing").write_text("0\n")
    written, late = [], [0]

    def read(path):
        if path.endswith("freezer.state") and late[0]:
            late[0] -= 1
            return "FREEZING\n"
        with open(path) as file:
            return file.read()

    def write(path, text):
        written.append(text)
        with open(path, "w") as file:
            file.write(text)

    monkeypatch.setattr(freeze, "read_file", read)
    monkeypatch.setattr(freeze, "write_file", write)
    return str(tmp_path), written, late


def test_v1_is_asked_again_while_it_is_freezing(v1):
    folder, written, late = v1
    late[0] = 60
    freeze.pause([folder])
    assert written.count("FROZEN") == 61
    # Now and then it is thawed, which lets new processes be born and then be frozen.
    assert written.count("THAWED") == 1


def test_what_does_not_freeze_in_time_goes_on(v1):
    folder, written, late = v1
    late[0] = 10**9
    with pytest.raises(LabkitError, match="cannot be frozen") as caught:
        freeze.pause([folder], deadline=0)
    assert "\n" not in str(caught.value)
    assert written[-1] == "THAWED"


def test_resuming_what_runs_is_no_error(v1):
    freeze.resume([v1[0]])
    assert not freeze.is_frozen([v1[0]])


def test_without_a_freezer(tmp_path):
    (tmp_path / "cgroup.procs").touch()
    for call in (freeze.pause, freeze.resume):
        with pytest.raises(LabkitError, match=r"neither freezer\.state nor cgroup\.freeze"):
            call([str(tmp_path)])
        with pytest.raises(LabkitError, match="no cgroup that can be frozen"):
            call([])
    assert not freeze.is_frozen([])


def test_without_a_freezer_all_are_signalled_until_none_is_new(tmp_path, monkeypatch):
    signalled = []
    answers = iter([[1], [1, 2], [1, 2, 3], [1, 2, 3]])
    monkeypatch.setattr(processes, "pids", lambda folders: next(answers))
    monkeypatch.setattr(processes.os, "kill", lambda pid, signal: signalled.append((pid, signal)))
    (tmp_path / "cgroup.procs").touch()
    processes.kill_all([str(tmp_path)], 15)
    assert signalled == [(1, 15), (2, 15), (3, 15)]


def test_one_that_is_removed_while_it_is_read_is_not_frozen(v1, monkeypatch):
    def removed(path):
        raise OSError(errno.ENODEV, "No such device", path)

    monkeypatch.setattr(freeze, "read_file", removed)
    assert not freeze.is_frozen([v1[0]])

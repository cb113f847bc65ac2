"""What is left of containers: found, told from what lives, and removed."""

import json
import os
import signal
import subprocess

import pytest

from labkit.engine import garbage, state
from labkit.errors import LabkitError
from labkit.linux.proc import read_file, start_time
from labkit.spec.model import Spec

DEAD = 4194305  # Above the greatest pid that Linux gives (PID_MAX_LIMIT).


def start(pid):
    return start_time(read_file(f"/proc/{pid}/stat"))


def make(folder, id, *lines, cgroups=(), parents=(), **flags):
    """A state folder with every file that one may have."""
    (folder / id).mkdir()
    text = state.content(Spec(), id, "", list(map(str, cgroups)), list(map(str, parents)), **flags)
    (folder / id / "state").write_text(text + "".join(json.dumps(line) + "\n" for line in lines))
    (folder / id / "config.json").touch()
    os.mkfifo(folder / id / "exec.fifo")
    return state.load(id, str(folder))


@pytest.fixture
def sleeper():
    """A process that leads a group of its own."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_a_container_goes_with_its_cgroups_and_its_folder(tmp_path):
    cgroups = [tmp_path / "lab", tmp_path / "lab/x", tmp_path / "other"]
    for cgroup in cgroups:
        cgroup.mkdir()
    garbage.destroy(make(tmp_path, "x", cgroups=cgroups[1:], parents=cgroups[:1]))
    assert os.listdir(tmp_path) == []


def test_cgroups_that_others_are_in_stay(tmp_path):
    (tmp_path / "parent/shared/of-another").mkdir(parents=True)
    found = make(tmp_path, "x", cgroups=[tmp_path / "parent/shared"], parents=[tmp_path / "parent"], shared=True)
    garbage.destroy(found)
    assert os.listdir(tmp_path) == ["parent"]
    assert (tmp_path / "parent/shared/of-another").is_dir()


def test_what_is_gone_already_is_no_error(tmp_path):
    found = make(tmp_path, "x", cgroups=[tmp_path / "never"], parents=[tmp_path / "neither"])
    garbage.destroy(found)
    garbage.destroy(found)
    assert os.listdir(tmp_path) == []


def test_its_first_process_is_killed(tmp_path, sleeper):
    garbage.kill_first(make(tmp_path, "x", {"pid": sleeper.pid, "start": start(sleeper.pid)}))
    assert sleeper.wait(10) == -signal.SIGKILL


def test_one_that_is_paused_while_it_is_killed_is_thawed_again(tmp_path, sleeper, monkeypatch):
    """A v1 freezer keeps even SIGKILL from a process."""
    freezer = tmp_path / "freezer"
    freezer.mkdir()
    found = make(tmp_path, "x", {"pid": sleeper.pid, "start": start(sleeper.pid)}, cgroups=[freezer])
    thawed = []

    def thaw(folder):
        thawed.append(folder)
        if len(thawed) == 2:
            sleeper.kill()

    monkeypatch.setattr(garbage, "_PATIENCE", 1)
    monkeypatch.setattr(garbage, "thaw", thaw)
    monkeypatch.setattr(garbage, "pidfd_send_signal", lambda pidfd, signal: None)
    garbage.kill_first(found)
    assert set(thawed) == {str(freezer)}


def test_another_process_that_has_its_pid_by_now_is_not_killed(tmp_path, sleeper):
    other = start(sleeper.pid) + 1
    garbage.end(make(tmp_path, "x", {"pid": sleeper.pid, "start": other}, {"runner": [sleeper.pid, other]}))
    assert sleeper.poll() is None


def test_those_that_run_its_hooks_are_killed(tmp_path, sleeper):
    garbage.end(make(tmp_path, "x", {"runner": [sleeper.pid, start(sleeper.pid)]}))
    assert sleeper.wait(10) == -signal.SIGKILL


def test_one_of_another_version_is_refused_after_the_others_are_collected(tmp_path):
    (tmp_path / "a-newer-one").mkdir()
    (tmp_path / "a-newer-one/state").write_text(json.dumps({"version": state.VERSION + 1}) + "\n")
    make(tmp_path, "dead", {"owner": [DEAD, 1]})
    with pytest.raises(LabkitError, match=f"version {state.VERSION + 1}"):
        garbage.collect_garbage(str(tmp_path))
    assert os.listdir(tmp_path) == ["a-newer-one"]


def test_one_that_was_deleted_meanwhile_is_not_said_to_be_collected(tmp_path, monkeypatch):
    make(tmp_path, "dead", {"owner": [DEAD, 1]})

    def deleted(id, folder):
        raise state.NoContainer("gone")

    monkeypatch.setattr(state, "Lock", deleted)
    assert garbage.collect_garbage(str(tmp_path)) == []


def test_one_that_has_an_owner_when_the_lock_is_had_is_left(tmp_path, monkeypatch):
    """Its id was given to another between the first look and the lock."""
    make(tmp_path, "dead", {"owner": [DEAD, 1]})

    class Lock(state.Lock):
        __slots__ = ()

        def __enter__(self):
            found = super().__enter__()
            found.values["owner"] = [os.getpid(), start("self")]
            return found

    monkeypatch.setattr(state, "Lock", Lock)
    assert garbage.collect_garbage(str(tmp_path)) == []
    assert os.listdir(tmp_path) == ["dead"]


def test_folders_without_a_state_are_collected_and_files_are_not(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn/state").write_text('{"version": 2, "id"')
    (tmp_path / "file").touch()
    assert garbage.collect_garbage(str(tmp_path)) == ["empty", "torn"]
    assert os.listdir(tmp_path) == ["file"]


def unfinished(folder, id, maker):
    path = folder / f"~{id}.{maker}"
    path.mkdir()
    (path / "state").touch()
    (path / "config.json").touch()
    return path.name


def test_the_remains_by_an_id_are_those_of_dead_makers_of_just_this_id(tmp_path):
    unfinished(tmp_path, "x", DEAD)
    (tmp_path / "x").mkdir()
    (tmp_path / "x/config.json").touch()
    kept = {
        unfinished(tmp_path, "x", os.getpid()),
        unfinished(tmp_path, "x.y", DEAD),
        unfinished(tmp_path, "xy", DEAD),
    }
    garbage.remove_remains("x", str(tmp_path))
    assert set(os.listdir(tmp_path)) == kept


def test_a_container_with_a_state_is_no_remains(tmp_path):
    make(tmp_path, "x")
    garbage.remove_remains("x", str(tmp_path))
    assert sorted(os.listdir(tmp_path / "x")) == ["config.json", "exec.fifo", "state"]


def test_no_remains_are_no_error(tmp_path):
    garbage.remove_remains("x", str(tmp_path))
    (tmp_path / "x").touch()
    garbage.remove_remains("x", str(tmp_path))
    assert os.listdir(tmp_path) == ["x"]


def test_one_whose_process_does_not_die_is_not_forgotten(tmp_path, sleeper, monkeypatch):
    found = make(tmp_path, "x", {"pid": sleeper.pid, "start": start(sleeper.pid)})
    monkeypatch.setattr(garbage, "_TRIES", 2)
    monkeypatch.setattr(garbage, "_PATIENCE", 1)
    monkeypatch.setattr(garbage, "pidfd_send_signal", lambda pidfd, signal: None)
    with pytest.raises(LabkitError, match=f"its process {sleeper.pid} does not end"):
        garbage.destroy(found)
    assert os.listdir(tmp_path) == ["x"]

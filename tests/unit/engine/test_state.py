import json
import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.engine import garbage, state
from labkit.errors import LabkitError
from labkit.linux.proc import start_time
from labkit.spec.model import Spec

ALLOWED = string.ascii_letters + string.digits + "_+-."


@given(st.text(ALLOWED, min_size=1, max_size=128).filter(lambda id: id not in (".", "..")))
def test_letters_digits_and_some_marks_are_an_id(id):
    assert state.check_id(id) == id


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "a b", "ä", "x" * 241, "a\0", "../x", "²"])
def test_what_is_no_file_name_of_one_level_is_no_id(id):
    with pytest.raises(LabkitError, match="not a container id"):
        state.check_id(id)


def test_fresh_ids_differ():
    assert len({state.check_id(state.new_id()) for _ in range(100)}) == 100


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "root", lambda: str(tmp_path))
    return tmp_path


def container(folder, id, **values):
    (folder / id).mkdir()
    lines = [state.content(Spec(), id, "", [], []), json.dumps(values) + "\n"]
    (folder / id / "state").write_text("".join(lines))


def test_only_what_a_dead_engine_left_is_collected(folder):
    with open("/proc/self/stat") as stat:
        start = start_time(stat.read())
    container(folder, "mine", owner=[os.getpid(), start])
    container(folder, "recycled-pid", owner=[os.getpid(), start + 1])
    container(folder, "dead", owner=[4194305, 1], ready=True)
    container(folder, "left", owner=None, ready=True, pid=4194305, start=1)
    (folder / "empty").mkdir()
    assert garbage.collect_garbage() == ["dead", "empty", "recycled-pid"]
    assert sorted(os.listdir(folder)) == ["left", "mine"]


def test_a_folder_that_is_just_being_filled_is_left_alone(folder):
    (folder / f"~new.{os.getpid()}").mkdir()
    (folder / "~old.4194305").mkdir()
    assert garbage.collect_garbage() == []
    assert os.listdir(folder) == [f"~new.{os.getpid()}"]


def test_cgroups_are_recorded_with_the_way_to_them(folder):
    line = json.loads(state.content(Spec(), "x", "/b", ["/c/lab/x"], ["/c/lab"]))
    assert (line["version"], line["parents"], line["cgroups"]) == (2, ["/c/lab"], ["/c/lab/x"])


def test_a_later_line_replaces_what_an_earlier_says_and_a_torn_one_nothing(folder):
    container(folder, "x", pid=7, start=1)
    with open(folder / "x/state", "a") as file:
        file.write('{"pid": 8, "start": 2}\n{"pid": 9, "sta')
    assert state.load("x", str(folder)).pid == 8


def test_a_state_of_another_version_is_refused(folder):
    container(folder, "x", version=1)
    with pytest.raises(LabkitError, match="version 1"):
        state.load("x", str(folder))


def test_a_container_that_is_not_there_is_said_so(folder):
    with pytest.raises(LabkitError, match="does not exist"):
        state.load("x", str(folder))
    with pytest.raises(LabkitError, match="does not exist"), state.Lock("x", str(folder)):
        pass


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, "stopped"),
        ({"owner": "me"}, "creating"),
        ({"owner": "me", "pid": 4194305, "start": 1, "ready": True}, "stopped"),
        ({"pid": "me", "ready": True}, "running"),
    ],
)
def test_the_status_follows_from_who_lives(folder, values, status):
    with open("/proc/self/stat") as stat:
        start = start_time(stat.read())
    if values.get("owner") == "me":
        values["owner"] = [os.getpid(), start]
    if values.get("pid") == "me":
        values |= {"pid": os.getpid(), "start": start}
    container(folder, "x", **values)
    assert state.load("x", str(folder)).status() == status


def test_what_waits_at_its_fifo_is_created(folder):
    with open("/proc/self/stat") as stat:
        container(folder, "x", pid=os.getpid(), start=start_time(stat.read()), ready=True)
    os.mkfifo(folder / "x/exec.fifo")
    assert state.load("x", str(folder)).status() == "created"


def test_a_state_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("labkit.engine.state.os.geteuid", lambda: 4242)
    with pytest.raises(LabkitError, match="belongs to another user"):
        state.root()

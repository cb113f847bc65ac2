import os
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.engine import state
from labkit.errors import LabkitError
from labkit.plan.parent import start_time

ALLOWED = string.ascii_letters + string.digits + "_+-."


@given(st.text(ALLOWED, min_size=1, max_size=128).filter(lambda id: id not in (".", "..")))
def test_letters_digits_and_some_marks_are_an_id(id):
    assert state.check_id(id) == id


@pytest.mark.parametrize("id", ["", ".", "..", "a/b", "a b", "ä", "x" * 129, "a\0", "../x", "²"])
def test_what_is_no_file_name_of_one_level_is_no_id(id):
    with pytest.raises(LabkitError, match="not a container id"):
        state.check_id(id)


def test_fresh_ids_differ():
    assert len({state.check_id(state.new_id()) for _ in range(100)}) == 100


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(state, "root", lambda: str(tmp_path))
    return tmp_path


def container(folder, id, owner):
    (folder / id).mkdir()
    (folder / id / "state").write_text(state.content([], []) + owner)


def test_only_what_a_dead_engine_left_is_collected(folder):
    with open("/proc/self/stat") as stat:
        start = start_time(stat.read())
    container(folder, "mine", f"owner {os.getpid()} {start}\n")
    container(folder, "recycled-pid", f"owner {os.getpid()} {start + 1}\n")
    container(folder, "dead", "owner 4194305 1\n")
    (folder / "empty").mkdir()
    assert state.collect_garbage() == ["dead", "empty", "recycled-pid"]
    assert os.listdir(folder) == ["mine"]


def test_a_folder_that_is_just_being_filled_is_left_alone(folder):
    (folder / f".new.{os.getpid()}").mkdir()
    (folder / ".old.4194305").mkdir()
    assert state.collect_garbage() == []
    assert os.listdir(folder) == [f".new.{os.getpid()}"]


def test_cgroups_are_recorded_with_the_way_to_them(folder):
    assert state.content(["/c/lab/x"], ["/c/lab"]) == "version 1\nparent /c/lab\ncgroup /c/lab/x\n"


def test_a_state_folder_of_another_user_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("labkit.engine.state.os.geteuid", lambda: 4242)
    with pytest.raises(LabkitError, match="belongs to another user"):
        state.root()

import json
import os
import shutil

import pytest

from labkit.engine import lifecycle, state
from labkit.errors import LabkitError
from labkit.linux.proc import read_file, start_time
from labkit.spec.model import Spec


@pytest.fixture
def creating(tmp_path):
    """A container that this process creates, and has not finished."""
    (tmp_path / "x").mkdir()
    owner = json.dumps({"owner": [os.getpid(), start_time(read_file("/proc/self/stat"))]})
    (tmp_path / "x/state").write_text(f"{state.content(Spec(), 'x', '', [], [])}{owner}\n")
    return state.load("x", str(tmp_path))


def meanwhile(monkeypatch, act):
    """What happens while somebody waits for a moment."""
    monkeypatch.setattr(lifecycle.time, "sleep", lambda seconds: act())


def test_start_waits_for_whoever_creates_the_container(creating, monkeypatch):
    def done():
        with open(f"{creating.folder}/state", "a") as file:
            # By a process that has ended at once.
            file.write('{"pid": 4194305, "start": 1}\n{"ready": true}\n')

    meanwhile(monkeypatch, done)
    with pytest.raises(LabkitError, match="that has stopped"):
        lifecycle.start(creating)


def test_start_does_not_wait_for_ever(creating, monkeypatch):
    monkeypatch.setattr(lifecycle, "_PATIENCE", 0)
    with pytest.raises(LabkitError, match="still being created"):
        lifecycle.start(creating)


def test_one_that_could_not_be_created_is_not_started(creating, monkeypatch):
    meanwhile(monkeypatch, lambda: shutil.rmtree(creating.folder))
    with pytest.raises(LabkitError, match="could not be created"):
        lifecycle.start(creating)

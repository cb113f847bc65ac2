import os

import pytest

from labkit.cli import _other_runtime, gc
from labkit.engine import garbage
from labkit.errors import UsageError
from labkit.linux.proc import read_file, start_time
from labkit.runtimes import garbage as runtimes_garbage
from labkit.runtimes import owner

DEAD = 4194305  # Above the greatest pid that Linux gives (PID_MAX_LIMIT).


@pytest.fixture
def owners(tmp_path_factory):
    """The folder in which drivers say who asked for a sandbox."""
    return tmp_path_factory.mktemp("owners")


@pytest.fixture
def others(tmp_path, owners, monkeypatch):
    """The folder of other runtimes' containers, and the ids that those were asked to remove."""
    removed = []

    class Runtime:
        def __init__(self, name):
            self.name = name

        def remove(self, id):
            removed.append((self.name, id))

    monkeypatch.setattr(_other_runtime, "rundir", lambda name: str(tmp_path))
    monkeypatch.setattr(owner, "rundir", lambda name: str(owners))
    monkeypatch.setattr(_other_runtime, "driver", Runtime)
    monkeypatch.setattr(runtimes_garbage, "driver", Runtime)
    monkeypatch.setattr(_other_runtime.cgroup, "remove", lambda id: None)
    monkeypatch.setattr(_other_runtime, "release", lambda name, id: removed.append(("address", f"{name}:{id}")))
    return tmp_path, removed


@pytest.fixture
def own(monkeypatch):
    """The folders that the engine was asked to look through; it says to have removed one container."""
    asked = []

    def collect(folder=None):
        asked.append(folder)
        return ["own"]

    monkeypatch.setattr(garbage, "collect_garbage", collect)
    return asked


def record(folder, id, text):
    (folder / id).mkdir()
    if text:
        (folder / id / "owner").write_text(text)


def test_what_another_runtime_has_left_is_removed_by_it(others, own, capsys):
    folder, removed = others
    record(folder, "dead", f"crun {DEAD} 1")
    record(folder, "alive", f"crun {os.getpid()} {start_time(read_file('/proc/self/stat'))}")
    record(folder, "not-started", "")
    record(folder, "torn", "crun")
    assert gc.main([]) == 0
    assert capsys.readouterr().out.split() == ["own", "dead", "not-started", "torn"]
    assert removed == [("crun", "dead"), ("address", "crun:dead")]
    assert os.listdir(folder) == ["alive"]


def test_what_a_killed_drivers_process_has_left_is_removed_by_the_driver(others, own, owners, capsys):
    _, removed = others
    (owners / "podman.a.b").symlink_to(f"podman:runc {DEAD} 1")
    owner.take("microvm+machine=microvm", "mine")
    assert gc.main([]) == 0
    assert capsys.readouterr().out.split() == ["own", "a.b"]
    assert removed == [("podman:runc", "a.b")]


def test_one_root_is_of_labkit_oci_alone(others, own, capsys):
    folder, removed = others
    record(folder, "dead", f"crun {DEAD} 1")
    assert gc.main(["--root", "/run/mine"]) == 0
    assert (own, capsys.readouterr().out) == (["/run/mine"], "own\n")
    assert (removed, os.listdir(folder)) == ([], ["dead"])


@pytest.mark.parametrize("argv", [["--root"], ["--root", "/a", "/b"], ["--all"], ["x"]])
def test_other_words_are_refused_and_nothing_is_removed(others, own, argv):
    with pytest.raises(UsageError, match="no arguments but --root"):
        gc.main(argv)
    assert own == []


def test_help_removes_nothing(others, own, capsys):
    assert gc.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: labkit gc")
    assert own == []

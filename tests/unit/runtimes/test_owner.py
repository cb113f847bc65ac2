"""Who asked for a sandbox."""

import os

import pytest

from labkit.errors import LabkitError
from labkit.linux.proc import read_file, start_time
from labkit.runtimes import garbage, owner

DEAD = 4194305  # Above the greatest pid that Linux gives (PID_MAX_LIMIT).


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "rundir", lambda name: str(tmp_path))
    return tmp_path


def test_an_id_is_taken_once_and_free_again_when_it_is_released():
    owner.take("microvm", "box")
    assert owner.known("microvm", "box")
    with pytest.raises(LabkitError, match="'box'"):
        owner.take("microvm", "box")
    owner.release("microvm", "box")
    owner.release("microvm", "box")
    assert not owner.known("microvm", "box")
    owner.take("microvm", "box")


def test_variants_of_a_runtime_share_its_ids_and_other_runtimes_have_their_own():
    owner.take("microvm", "box")
    with pytest.raises(LabkitError):
        owner.take("microvm+machine=microvm", "box")
    owner.take("podman:runc", "box")
    with pytest.raises(LabkitError):
        owner.take("podman:crun", "box")


def test_only_what_a_dead_process_had_is_forgotten(folder):
    stranger = f"{os.getpid()} {start_time(read_file('/proc/self/stat')) - 1}"
    (folder / "podman.dead.one").symlink_to(f"podman:runsc-ptrace+overlay2=none {DEAD} 1")
    (folder / "microvm.recycled").symlink_to(f"microvm {stranger}")
    owner.take("microvm", "alive")
    assert owner.forgotten() == [("microvm", "recycled"), ("podman:runsc-ptrace+overlay2=none", "dead.one")]


def test_one_that_cannot_be_removed_is_told_when_the_others_are(folder, monkeypatch):
    removed = []

    class Runtime:
        def __init__(self, name):
            self.name = name

        def remove(self, id):
            if id == "stuck":
                raise LabkitError("process 7 does not end", "see it")
            removed.append(id)

    monkeypatch.setattr(garbage, "driver", Runtime)
    for id in ("a", "stuck", "z"):
        (folder / f"microvm.{id}").symlink_to(f"microvm {DEAD} 1")
    with pytest.raises(LabkitError, match="does not end"):
        garbage.collect_garbage()
    assert removed == ["a", "z"]

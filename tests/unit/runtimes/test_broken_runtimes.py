"""Stand-ins for runtimes that crash, hang, print garbage, or are exchanged: one clear error, and nothing left."""

import os
import signal
import subprocess
import tempfile

import pytest

from labkit.errors import LabkitError
from labkit.runtimes.oci import OciRuntime

ID = f"labkit-stand-in-{os.getpid()}"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A driver of a script, whose lines are the arms of a `case` on the verb; what `log` is can be written to."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("labkit.runtimes.oci.rundir", lambda name: str(tmp_path))
    program = tmp_path / "stand-in"

    def make(*arms):
        find = (
            "log=; pid=\nfor word; do case $last in --log) log=$word;; --pid-file) pid=$word;; esac; last=$word; done"
        )
        find += "\nfor verb; do case $verb in --version|create|start|run|kill|exec|delete) break;; esac; done"
        lines = "\n".join(f"{arm};;" for arm in (*arms, "--version) echo stand-in 1.0", "delete) exit 0"))
        program.write_text(f"#!/bin/sh\n{find}\ncase $verb in\n{lines}\nesac\n")
        program.chmod(0o755)
        return OciRuntime("stand-in", str(program), "stand-in")

    return make


@pytest.fixture
def stdio():
    with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as log:
        yield null.fileno(), null.fileno(), log.fileno()


def _left(tmp_path):
    return [name for name in os.listdir(tmp_path) if name != "stand-in"]


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("create) exec sleep 1000", "create hangs"),
        ("create) kill -SEGV $$", "create was killed by signal 11"),
        ("create) echo garbage", "wrote no pid"),
        ("create) echo x > $pid", "wrote no pid"),
        ('create) echo "level=error msg=\\"no luck\\"" > $log; exit 1', "create: no luck"),
        ("create) exit 3", "create: exit status 3, and no word why"),
    ],
)
def test_a_creation_that_fails_is_one_error(arm, said, stand_in, stdio, tmp_path):
    with pytest.raises(LabkitError, match=said) as caught:
        stand_in(arm).create("/nowhere", ID, stdio, timeout=0.5)
    assert caught.value.hint
    assert _left(tmp_path) == []


def test_the_whole_log_of_a_creation_goes_to_the_callers(stand_in, stdio):
    with pytest.raises(LabkitError):
        stand_in("create) printf 'first\\nlast\\n' > $log; exit 1").create("/nowhere", ID, stdio)
    assert os.pread(stdio[2], 100, 0) == b"first\nlast\n"


def test_a_runtime_that_is_killed_while_its_sandbox_runs_is_told_from_a_killed_payload(stand_in, stdio):
    sandbox = stand_in("run) kill -KILL $$").start("/nowhere", ID, stdio)
    with pytest.raises(LabkitError, match="stand-in itself was killed by signal 9"):
        sandbox.wait(10)
    sandbox.delete()
    sandbox = stand_in("run) exit 137").start("/nowhere", ID, stdio)
    assert sandbox.wait(10) == 137
    sandbox.delete()


def test_a_runtime_that_hangs_is_ended_with_all_it_has_started(stand_in, stdio):
    sandbox = stand_in("run) sleep 1000; true").start("/nowhere", ID, stdio)
    with pytest.raises(LabkitError, match="still runs"):
        sandbox.wait(0.05)
    sandbox.delete()
    assert sandbox.status == 128 + signal.SIGKILL


def test_a_verb_that_hangs_has_a_deadline(stand_in, stdio):
    sandbox = stand_in("run) exec sleep 1000", "kill|exec) exec sleep 1000").start("/nowhere", ID, stdio)
    with pytest.raises(LabkitError, match="kill hangs"):
        sandbox.kill(timeout=0.2)
    with pytest.raises(LabkitError, match="/bin/true still ran"):
        sandbox.exec(("/bin/true",), stdio, 0.2)
    sandbox.delete()


def test_a_deletion_that_hangs_does_not_keep_the_rest_from_going(stand_in, stdio, monkeypatch):
    monkeypatch.setattr("labkit.runtimes.oci.DEADLINE", 0.2)
    driver = stand_in("run) exec sleep 1000", "delete) exec sleep 1000")
    monkeypatch.setattr(driver, "call", lambda argv, timeout=0.2: OciRuntime.call(driver, argv, 0.2))
    sandbox = driver.start("/nowhere", ID, stdio)
    sandbox.delete()
    assert sandbox.status == 128 + signal.SIGKILL


def test_a_runtime_that_is_exchanged_after_its_probe_is_not_measured_under_its_old_version(stand_in, stdio):
    driver = stand_in("run) printf .")
    assert driver.probe().available
    stand_in("run) printf ..")
    with pytest.raises(LabkitError, match="was replaced since it was probed"):
        driver.start("/nowhere", ID, stdio)
    assert driver.probe().reason


def test_a_second_sandbox_is_refused_before_the_runtime_is_asked(stand_in, stdio, tmp_path):
    driver = stand_in("run) touch asked")
    (tmp_path / ID).mkdir()
    with pytest.raises(LabkitError, match="has a sandbox with the id"):
        driver.start("/nowhere", ID, stdio)
    assert _left(tmp_path) == [ID]
    assert subprocess.run(["ls", "asked"], cwd=tmp_path, capture_output=True).returncode != 0

"""Drivers against programs that answer as broken runtimes do."""

import os
import select
import stat
import time

import pytest

from labkit import runtimes
from labkit.errors import LabkitError
from labkit.runtimes.oci import OciRuntime
from labkit.runtimes.process import ProcessSandbox, spawn
from labkit.runtimes.runsc import Runsc


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a shell script on PATH under a runtime's name."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(text, name="runc"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def test_a_missing_runtime_is_not_available_with_the_line_to_type(monkeypatch):
    probe = OciRuntime("x", "no-such-runtime", "its-package").probe()
    assert (probe.available, probe.reason, probe.remedy) == (False, "not installed", "sudo apt-get install its-package")


def test_a_runtime_that_prints_garbage_is_not_available(program):
    program("echo garbage")
    probe = OciRuntime("fake", "runc", "fake").probe()
    assert not probe.available
    assert "garbage" in probe.reason


def test_a_runtime_that_fails_gives_its_own_last_words(program):
    program('[ "$1" = --version ] && { echo fake 1.2.3; exit; }; echo "level=error msg=\\"no luck\\"" >&2; exit 1')
    probe = OciRuntime("fake", "runc", "fake").probe()
    assert (probe.available, probe.version, probe.reason) == (False, "1.2.3", "no luck")


def test_a_runtime_that_fails_without_a_word_gives_its_status(program):
    program('[ "$1" = --version ] && { echo fake 1.2.3; exit; }; exit 3')
    assert OciRuntime("fake", "runc", "fake").probe().reason == "exit status 3, and no word why"


def test_a_platform_that_this_runsc_lacks_is_told_apart(program):
    program('case "$1" in --version) echo runsc version 9.9;; help) echo ptrace;; esac', name="runsc")
    probe = Runsc("systrap").probe()
    assert not probe.available
    assert probe.version == "9.9"
    assert "no platform systrap, only ptrace" in probe.reason


def test_an_unknown_runtime_names_those_there_are():
    with pytest.raises(LabkitError) as caught:
        runtimes.driver("docker")
    assert "runc" in caught.value.hint
    assert caught.value.exit_status == 2


@pytest.mark.parametrize("name", [*runtimes.NAMES, *runtimes.COMPARED])
def test_every_driver_goes_by_its_name(name):
    assert runtimes.driver(name).name == name


def _sandbox(command, removed):
    with open(os.devnull, "r+b") as null:
        descriptor = null.fileno()
        asked, pid = spawn("/bin/sh", ["sh", "-c", command], {}, (descriptor, descriptor, descriptor))
    return ProcessSandbox(asked, pid, lambda: removed.append(pid))


def test_exit_statuses_are_the_shells():
    assert _sandbox("exit 7", []).wait(10) == 7
    assert _sandbox("kill -9 $$", []).wait(10) == 137


def test_a_sandbox_that_ends_of_itself_is_not_removed_by_force():
    removed = []
    sandbox = _sandbox("exit 0", removed)
    sandbox.wait(10)
    sandbox.delete()
    sandbox.delete()
    assert removed == []


def test_waiting_has_a_deadline_and_delete_ends_what_still_runs():
    removed = []
    reading, writing = os.pipe2(0)
    # The shell's own child has the pipe too: its end of file says that both are gone.
    sandbox = _sandbox("sleep 1000; true", removed)
    os.close(writing)
    with pytest.raises(LabkitError, match="still runs after"):
        sandbox.wait(0.05)
    sandbox.delete()
    assert removed
    assert sandbox.status == 137
    assert select.select([reading], [], [], 10)[0]
    os.close(reading)


def test_asking_is_timed_from_just_before_the_process_exists():
    before = time.monotonic_ns()
    sandbox = _sandbox("exit 0", [])
    assert before <= sandbox.asked <= time.monotonic_ns()
    sandbox.wait(10)
    sandbox.delete()


def test_a_program_that_is_not_there_is_127():
    with pytest.raises(LabkitError) as caught:
        spawn("/no/such/program", ["x"], {}, (0, 1, 2))
    assert caught.value.exit_status == 127

import os
import subprocess
import sys

import pytest

from labkit import cli


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "no command was given"),
        (["fly"], "'fly' is not a labkit command"),
        (["../run"], "not a labkit command"),
        (["_request"], "not a labkit command"),
        (["gc", "all"], "takes no arguments"),
        (["run", "--bogus"], "unknown option"),
    ],
)
def test_a_malformed_line_is_one_line_with_a_hint_and_status_2(argv, word, capsys):
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    message, hint = captured.err.splitlines()
    assert message.startswith("labkit: ")
    assert word in message
    assert hint.startswith("hint: ")


def test_version_and_help(capsys):
    assert cli.main(["--version"]) == 0
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("labkit 0.")
    for verb in ("run", "explain", "gc"):
        assert f"\n  {verb} " in text


def test_a_reader_that_has_gone_is_no_traceback(command):
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run([*command, "--help"], stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_a_full_disk_behind_stdout_is_said_in_one_line(command):
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*command, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == 125
    assert [line.split(":")[0] for line in ended.stderr.splitlines()] == ["labkit", "hint"]


def test_the_core_imports_nothing_slow():
    """What a container's start waits for; each of these costs more than all of it (DESIGN: import-light core)."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import labkit.engine.foreground, labkit.engine.prepare,"
        "labkit.engine.spawner, labkit.engine.configure, labkit.spec.load, labkit.cli.run; print(*sys.modules)"
    )
    package = os.path.dirname(os.path.dirname(os.path.dirname(cli.__file__)))
    argv = [sys.executable, "-I", "-S", "-c", program, package]
    loaded = set(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.split())
    slow = {"argparse", "json", "re", "pathlib", "subprocess", "dataclasses", "logging", "typing", "enum", "socket"}
    assert "labkit.engine.parent" in loaded
    assert loaded & slow == set()

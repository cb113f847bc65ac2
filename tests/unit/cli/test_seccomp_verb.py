import json

import pytest

from labkit.cli import seccomp
from labkit.errors import LabkitError, UsageError
from labkit.spec.seccomp_profiles import profile


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "needs a command"),
        (["draw"], "'draw' is not a command"),
        (["show", "default", "strict"], "one profile"),
        (["show", "--bogus"], "--bogus"),
        (["show", "--json", "--bpf"], "does not go with"),
        (["show", "--cap-add"], "needs a value"),
        (["diff", "default"], "two profiles"),
        (["trace", "--image", "busybox", "true"], "--output"),
        (["trace", "--output"], "needs a value"),
        (["trace", "--output", "--", "true"], "needs a value"),
        (["trace", "--output", "f", "--seccomp", "none", "--rootfs", "/r", "true"], "--seccomp does not go"),
        (["trace", "--output", "f", "--without", "SetUser", "--rootfs", "/r", "true"], "--without does not go"),
        (["trace", "--output", "f", "--bogus", "true"], "--bogus"),
    ],
)
def test_a_malformed_line_is_a_usage_error(argv, word):
    with pytest.raises(UsageError, match=word) as caught:
        seccomp.main(argv)
    assert caught.value.hint


@pytest.mark.parametrize("argv", [["--help"], ["show", "--help"], ["trace", "--help"], ["trace", "-h", "--", "true"]])
def test_help_is_printed_and_nothing_done(argv, capsys):
    assert seccomp.main(argv) == 0
    assert capsys.readouterr().out.startswith("usage: labkit seccomp")


def test_the_table_has_what_is_done_and_when(capsys):
    assert seccomp.main(["show", "strict"]) == 0
    text = capsys.readouterr().out
    assert "default:       ERRNO EPERM" in text
    assert "args[0] & 0x7e020000 == 0x0" in text
    assert "every other call" in text


def test_json_is_a_profile_again(capsys, tmp_path):
    assert seccomp.main(["show", "--json", "--cap-add", "SYS_TIME"]) == 0
    path = tmp_path / "own.json"
    path.write_text(capsys.readouterr().out)
    assert "settimeofday" in {name for rule in profile(path, ()).rules for name in rule.names}


def test_the_filter_itself(capsys):
    assert seccomp.main(["show", "strict", "--bpf"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith("; nr == clone") for line in lines)
    assert any(line.endswith("; ERRNO EPERM") for line in lines)


def test_no_filter_is_said_so(capsys):
    assert seccomp.main(["show", "none"]) == 0
    assert capsys.readouterr().out.startswith("no filter")


def test_a_difference_is_shown_and_is_the_exit_status(capsys):
    assert seccomp.main(["diff", "strict", "default"]) == 1
    assert "ptrace" in capsys.readouterr().out
    assert seccomp.main(["diff", "default", "default"]) == 0
    assert capsys.readouterr().out == "the profiles do the same\n"


def test_a_difference_as_json(capsys):
    assert seccomp.main(["diff", "default", "none", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["profiles"] == ["default", "none"]
    assert found["calls"][0] == {"does": ["ERRNO EPERM", "ALLOW"], "names": ["every other call"]}
    assert found["settings"][0]["setting"] == "architectures"


def test_a_capability_that_does_not_exist_is_named_with_one_like_it():
    with pytest.raises(LabkitError, match=r"'net_amin' is not a capability \(did you mean CAP_NET_ADMIN"):
        seccomp.main(["show", "--cap-add", "net_amin"])


def test_where_nothing_can_be_written_nothing_is_run(tmp_path):
    with pytest.raises(LabkitError, match="cannot be written"):
        seccomp.main(["trace", "--output", str(tmp_path / "none/p.json"), "--rootfs", str(tmp_path), "true"])


def test_options_of_trace_stand_anywhere_before_the_command():
    words = "--image busybox --output f --check --memory 64M sh --output g".split()
    own, rest = seccomp._own_options(words)
    assert own == {"output": "f", "check": "yes"}
    assert rest == "--image busybox --memory 64M sh --output g".split()

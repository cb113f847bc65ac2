import pytest

from labkit.cli._request import parse
from labkit.errors import LabkitError, UsageError


def test_values_flags_lists_and_the_command():
    request = parse(
        "run",
        "--rootfs /r --memory=64M --env A=1 --env B=2=3 --read-only --cap-drop ALL sh -c --memory".split(),
    )
    assert request.values == {"rootfs": "/r", "memory": "64M"}
    assert request.lists["env"] == ["A=1", "B=2=3"]
    assert request.flags == {"read-only"}
    assert request.command == ["sh", "-c", "--memory"]


def test_after_two_dashes_everything_is_the_command():
    assert parse("run", ["--", "--help"]).command == ["--help"]


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--memroy", "1"], "--memroy"),
        (["-m", "1"], "-m"),
        (["--memory"], "needs a value"),
        (["--memory="], "not an empty one"),
        (["--rootfs", ""], "not an empty one"),
        (["--read-only=no"], "takes no value"),
    ],
)
def test_a_malformed_line_is_a_usage_error(argv, word):
    with pytest.raises(UsageError, match=word) as caught:
        parse("run", argv)
    assert caught.value.exit_status == 2
    assert caught.value.hint


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["true"], "one of --image, --rootfs and --bundle"),
        (["--rootfs", "/r", "--bundle", "/b"], "one of --image"),
        (["--bundle", "/b", "true"], "takes no command"),
        (["--bundle", "/b", "--memory", "1M"], "--memory does not go"),
        (["--bundle", "/b", "--env", "A=b"], "--env does not go"),
        (["--image", "busybox", "--writable", "true"], "--writable does not go"),
        (["--rootfs", "/r", "--writable", "--read-only", "true"], "--writable does not go"),
        (["--rootfs", "/r", "--env", "A", "true"], "NAME=VALUE"),
        (["--rootfs", "/r", "--ulimit", "nofile", "true"], "NAME=VALUE"),
    ],
)
def test_options_that_do_not_go_together_are_usage_errors(argv, word):
    with pytest.raises(UsageError, match=word):
        parse("run", argv).spec()


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["--ulimit", "nofile=many"], "many"),
        (["--time-offset", "boottime=soon"], "soon"),
        (["--namespaces", "pid,mnt"], "mnt"),
        (["--memory", "64Q"], "64Q"),
    ],
)
def test_values_that_do_not_parse_are_errors(argv, word):
    with pytest.raises(LabkitError, match=word):
        parse("run", ["--rootfs", "/r", *argv, "true"]).spec()


def test_options_become_a_configuration():
    argv = "--rootfs /r --namespaces mount,pid,uts --hostname h --ulimit nofile=5:6 --cwd /tmp --new-privileges true"
    spec = parse("run", argv.split()).spec()
    assert [namespace.kind for namespace in spec.linux.namespaces][:3] == ["mount", "pid", "uts"]
    assert (spec.hostname, spec.process.cwd, spec.process.no_new_privileges) == ("h", "/tmp", False)
    assert (spec.process.rlimits[0].soft, spec.process.rlimits[0].hard) == (5, 6)


def test_help_is_printed_and_nothing_is_asked_for(capsys):
    assert parse("run", ["--help"]) is None
    assert capsys.readouterr().out.startswith("usage: labkit run")

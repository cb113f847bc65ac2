import pytest

from labkit import cli


@pytest.mark.parametrize(
    ("argv", "status", "word"),
    [
        ([], 2, "labkit vm needs a command"),
        (["stop"], 2, "'stop' is not a command of labkit vm"),
        (["run"], 2, "no command was given"),
        (["run", "--"], 2, "no command was given"),
        (["run", "--bogus", "--", "true"], 2, "option --bogus not recognized"),
        (["run", "--cpus", "0", "--", "true"], 125, "--cpus '0' is not a whole number"),
        (["run", "--memory", "lots", "--", "true"], 125, "--memory 'lots' is not an amount of memory"),
        (["run", "--memory", "1M", "--", "true"], 2, "a VM needs 128M at least"),
        (["run", "--timeout", "-1", "--", "true"], 2, "--timeout '-1' is not a number of seconds"),
        (["run", "--timeout", "nan", "--", "true"], 2, "--timeout 'nan' is not a number of seconds"),
        (["run", "--cgroups", "v3", "--", "true"], 2, "--cgroups 'v3' is none of v1, v2, hybrid"),
        (["run", "--accel", "xen", "--", "true"], 2, "--accel 'xen' is neither kvm nor tcg"),
    ],
)
def test_a_malformed_line_is_one_line_with_a_hint(argv, status, word, capsys):
    assert cli.main(["vm", *argv]) == status
    message, hint = capsys.readouterr().err.splitlines()
    assert message.startswith("labkit: ")
    assert word in message
    assert hint.startswith("hint: ")


def test_without_qemu_the_package_is_named(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["vm", "run", "--", "true"]) == 125
    message, hint = capsys.readouterr().err.splitlines()
    assert message == "labkit: qemu-system-x86_64 is not installed"
    assert "apt-get install --no-install-recommends qemu-system-x86" in hint


def test_a_kernel_that_is_not_there_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("labkit.vm.qemu.program", lambda: "/usr/bin/qemu-system-x86_64")
    assert cli.main(["vm", "run", "--kernel", str(tmp_path / "none"), "--", "true"]) == 125
    assert capsys.readouterr().err.splitlines()[0] == f"labkit: {tmp_path}/none: No such file or directory"


def test_help_is_of_the_verb(capsys):
    assert cli.main(["vm", "run", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: labkit vm run")

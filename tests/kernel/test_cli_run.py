"""`labkit run` and `labkit explain` as a person types them."""

import json
import os
import signal
import subprocess

import pytest

from labkit.engine import state
from labkit.engine.configure import configure

pytestmark = pytest.mark.root


@pytest.mark.parametrize("status", [0, 1, 7, 126, 255])
def test_the_exit_status_is_the_commands(labkit, rootfs, status):
    assert labkit("run", "--rootfs", rootfs, "--", "sh", "-c", f"exit {status}").returncode == status


def test_a_death_by_signal_is_128_and_its_number(labkit, rootfs):
    script = "kill -KILL $$"
    ended = labkit("run", "--rootfs", rootfs, "--namespaces", "mount,uts", "--", "sh", "-c", script)
    assert ended.returncode == 128 + signal.SIGKILL


def test_streams_are_passed_through_apart(labkit, rootfs):
    script = "read line; echo out $line; echo err $line >&2"
    ended = labkit("run", "--rootfs", rootfs, "--", "sh", "-c", script, input="given\n")
    assert (ended.stdout, ended.stderr) == ("out given\n", "err given\n")


def test_a_large_stream_in_and_out(command, rootfs):
    data = os.urandom(2_000_000)
    ended = subprocess.run([*command, "run", "--rootfs", rootfs, "cat"], input=data, capture_output=True, timeout=60)
    assert ended.stdout == data


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_the_null_device_inside(command, rootfs, closed):
    quoted = " ".join(f"'{word}'" for word in (*command, "run", "--rootfs", str(rootfs), "--"))
    inside = "cat; echo x; ls /proc/self/fd | wc -l > /dev/shm/n; read n < /dev/shm/n; exit $n"
    script = f"{quoted} sh -c '{inside}' {closed}"
    ended = subprocess.run(["sh", "-c", script], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    # 0, 1, 2 and the folder that ls reads.
    assert ended.returncode == 4, ended.stderr
    assert ended.stdout == ("" if ">&- " in f"{closed} " and closed != "2>&-" else "x\n")


def test_the_issues_own_example(labkit, rootfs):
    script = "id; ps ax; cat /proc/self/status"
    ended = labkit("run", "--memory", "64M", "--pids", "32", "--rootfs", rootfs, "--", "sh", "-c", script)
    assert ended.returncode == 0
    assert ended.stdout.startswith("uid=0(root) gid=0(root)")
    assert "Seccomp:\t2" in ended.stdout


def test_options_reach_the_container(labkit, rootfs, tmp_path):
    (tmp_path / "f").write_text("file")
    ended = labkit(
        *("run", "--rootfs", rootfs, "--user", "ann", "--cwd", "/tmp", "--env", "A=1", "--hostname", "h"),
        *("--volume", f"{tmp_path}/f:/f:ro", "--ulimit", "nofile=33", "--cpus", "0.5", "--cap-drop", "ALL"),
        *("--", "sh", "-c", "id -u; pwd; echo $A; hostname; cat /f; echo; ulimit -n; grep CapBnd /proc/self/status"),
    )
    assert ended.stderr == ""
    assert ended.stdout.split() == ["1000", "/tmp", "1", "h", "file", "33", "CapBnd:", "0" * 16]


def test_a_bundle(labkit, rootfs, tmp_path):
    spec = configure(str(rootfs), ["sh", "-c", "echo from the bundle; exit 3"])
    (tmp_path / "config.json").write_text(json.dumps(spec.dump()))
    ended = labkit("run", "--bundle", tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "from the bundle\n", "")


@pytest.mark.parametrize("step", ["LoadSeccomp", "MaskPath", "DropBounding"])
def test_a_step_is_left_out(labkit, rootfs, step):
    assert step in labkit("explain", "--rootfs", rootfs, "--", "true").stdout
    explained = labkit("explain", "--rootfs", rootfs, "--without", step, "--", "true")
    assert explained.returncode == 0
    assert step not in explained.stdout
    assert labkit("run", "--rootfs", rootfs, "--without", step, "--", "true").returncode == 0


def test_explain_makes_nothing(labkit, rootfs):
    ended = labkit("explain", "--rootfs", rootfs, "--id", "labkit-test-explained", "--memory", "64M", "--", "true")
    assert ended.returncode == 0
    assert "clone3" in ended.stdout
    assert "memory" in ended.stdout
    assert "labkit-test-explained" not in os.listdir(state.root())


def test_explain_of_bytes_that_are_no_text(command, rootfs):
    argv = [os.fsencode(word) for word in (*command, "explain", "--rootfs", str(rootfs), "--", "echo")]
    ended = subprocess.run([*argv, b"\xff"], capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_bytes_that_are_no_text_reach_the_command(command, rootfs):
    argv = [os.fsencode(word) for word in (*command, "run", "--rootfs", str(rootfs), "--", "echo", "-n")]
    assert subprocess.run([*argv, b"\xff\xfe"], capture_output=True, timeout=60).stdout == b"\xff\xfe"

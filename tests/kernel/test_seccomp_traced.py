"""`labkit seccomp trace`, and profiles of one's own on `labkit run`: what was traced runs, and nothing else does."""

import json
import os
import subprocess

import pytest

from labkit import Container
from labkit.engine.calls import record
from labkit.engine.configure import configure
from labkit.linux.classic_bpf import ARCHITECTURES

pytestmark = pytest.mark.root

SCRIPT = "echo one | cat; ls / > /dev/null"


def run(container):
    return container.run(timeout=60)


def traced(rootfs, script, **options):
    return record(configure(str(rootfs), ["sh", "-c", script], **options), run)


def under(rootfs, script, profile):
    return Container(rootfs, ["sh", "-c", script], seccomp=profile).run(timeout=60)


def test_the_command_runs_under_what_was_written_and_something_else_does_not(labkit, rootfs, tmp_path):
    path = tmp_path / "own.json"
    ended = labkit("seccomp", "trace", "--rootfs", rootfs, "--output", path, "--check", "--", "sh", "-c", SCRIPT)
    assert (ended.returncode, ended.stdout) == (0, "one\none\n")
    assert "exit status is 0, without it was 0" in ended.stderr
    document = json.loads(path.read_text())
    assert document["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = document["syscalls"][0]["names"]
    assert {"execve", "write", "getdents64"} <= set(allowed)
    assert not {"mkdir", "mkdirat", "socket", "ptrace"} & set(allowed)
    again = labkit("run", "--rootfs", rootfs, "--seccomp", path, "--", "sh", "-c", SCRIPT)
    assert (again.returncode, again.stdout) == (0, "one\n")
    other = labkit("run", "--rootfs", rootfs, "--seccomp", path, "--", "sh", "-c", "mkdir /made")
    assert other.returncode == 1
    assert "Operation not permitted" in other.stderr


def test_taken_out_again_a_call_that_the_program_needs_is_missed(rootfs):
    result, calls = traced(rootfs, "echo one")
    assert result.text == "one\n"
    needed = []
    for name in calls.names():
        less = calls.profile()
        less.rules[0].names = tuple(other for other in less.rules[0].names if other != name)
        ended = under(rootfs, "echo one", less)
        if (ended.exit_status, ended.text) != (0, "one\n"):
            needed.append(name)
    assert {"execve", "exit_group", "write"} <= set(needed)


def test_what_is_seen_does_not_depend_on_the_run(rootfs):
    assert {frozenset(traced(rootfs, SCRIPT)[1].names()) for _ in range(3)} == {
        frozenset(traced(rootfs, SCRIPT)[1].names())
    }


def test_all_processes_are_seen_and_the_engine_is_not(rootfs):
    _, calls = traced(rootfs, "(mkdir /a) & (rmdir /b 2>/dev/null) & wait")
    assert {"mkdir", "rmdir", "wait4"} <= set(calls.names())
    # What the engine calls between the filter and the program: the word about the filter, and its answer.
    assert "sendmsg" not in calls.names()
    assert {architecture for architecture, _ in calls.counts} <= set(ARCHITECTURES)


def test_every_write_is_seen(rootfs):
    _, calls = traced(rootfs, "for number in 1 2 3 4 5; do echo $number; done")
    assert calls.names()["write"] == 5


def test_a_command_that_is_not_there_is_said_and_nothing_is_written(labkit, rootfs, tmp_path):
    ended = labkit("seccomp", "trace", "--rootfs", rootfs, "--output", tmp_path / "own.json", "--", "/none")
    assert ended.returncode == 127
    assert "command not found" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_exit_status_is_the_commands(labkit, rootfs, tmp_path):
    ended = labkit(
        "seccomp", "trace", "--rootfs", rootfs, "--output", tmp_path / "own.json", "--", "sh", "-c", "exit 7"
    )
    assert ended.returncode == 7


def test_several_runs_add_up(labkit, rootfs, tmp_path):
    path = tmp_path / "own.json"
    makes, links = "mkdir /a", "ln -s /a /b"
    for script, more in ((makes, ()), (links, ("--merge", path))):
        ended = labkit("seccomp", "trace", "--rootfs", rootfs, "--output", path, *more, "--", "sh", "-c", script)
        assert ended.returncode == 0, ended.stderr
        assert under(rootfs, makes, path).exit_status == 0
        assert (under(rootfs, links, path).exit_status == 0) == (script == links)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the 32-bit calls of x86")
def test_a_32_bit_program_has_its_architecture_in_the_profile(rootfs, tmp_path):
    assembled = subprocess.run(
        ["cc", "-m32", "-nostdlib", "-static", "-o", tmp_path / "exit32", "-x", "assembler", "-"],
        input=".globl _start\n_start: mov $20, %eax\n int $0x80\n mov $1, %eax\n mov $5, %ebx\n int $0x80\n",
        text=True,
        capture_output=True,
    )
    if assembled.returncode:
        pytest.skip("no assembler for 32-bit programs: sudo apt-get install gcc")
    spec = configure(str(rootfs), ["/exit32"], volumes=[f"{tmp_path}/exit32:/exit32:ro"])
    result, calls = record(spec, run)
    assert result.exit_status == 5
    assert set(calls.names()) == {"execve", "getpid", "exit"}
    profile = calls.profile()
    assert profile.architectures == ("SCMP_ARCH_X86",)
    again = Container(rootfs, ["/exit32"], volumes=[f"{tmp_path}/exit32:/exit32:ro"], seccomp=profile)
    assert again.run(timeout=60).exit_status == 5


def test_the_strict_profile_runs_programs_and_keeps_them_from_the_network(rootfs):
    script = "echo $((6 * 7)) > /tmp/f; cat /tmp/f | wc -c; chown 1 /tmp/f; ping -c 1 127.0.0.1; true"
    ended = under(rootfs, script, "strict")
    assert (ended.exit_status, ended.text.splitlines()[0]) == (0, "3")
    assert ended.stderr.splitlines() == [
        b"chown: /tmp/f: Operation not permitted",
        b"ping: permission denied (are you root?)",
    ]
    assert under(rootfs, "chown 1 /tmp && ping -c 1 127.0.0.1", "default").exit_status == 0


def test_a_file_in_dockers_form_depends_on_the_containers_capabilities(rootfs, tmp_path):
    allowed = [
        {
            "names": ["mkdir", "mkdirat"],
            "action": "SCMP_ACT_ERRNO",
            "errno": "ENOSPC",
            "excludes": {"caps": ["CAP_SYS_ADMIN"]},
        }
    ]
    path = tmp_path / "dockers.json"
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "archMap": [], "syscalls": allowed}))
    refused = Container(rootfs, ["mkdir", "/made"], seccomp=path).run(timeout=60)
    assert b"No space left on device" in refused.stderr
    assert Container(rootfs, ["mkdir", "/made"], seccomp=path, cap_add=["SYS_ADMIN"]).run(timeout=60).exit_status == 0


PODMANS = "/usr/share/containers/seccomp.json"


@pytest.mark.skipif(not os.path.exists(PODMANS), reason=f"{PODMANS} is missing: sudo apt-get install podman")
def test_podmans_own_profile_can_be_used(rootfs):
    ended = under(rootfs, "id -u; mount -t tmpfs none /tmp; true", PODMANS)
    assert (ended.exit_status, ended.text) == (0, "0\n")
    assert ended.stderr == b"mount: permission denied (are you root?)\n"


def test_a_misspelt_call_in_a_file_is_one_line_and_nothing_is_made(labkit, rootfs, tmp_path):
    rule = {"names": ["mkdirr"], "action": "SCMP_ACT_ERRNO"}
    (tmp_path / "own.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
    ended = labkit("run", "--rootfs", rootfs, "--seccomp", tmp_path / "own.json", "--", "true")
    assert ended.returncode == 125
    message, hint = ended.stderr.splitlines()
    assert message.endswith("own.json#/syscalls/0/names/0: no system call is called 'mkdirr'")
    assert hint.startswith("hint: did you mean mkdir")

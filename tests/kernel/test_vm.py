"""The lab VM, booted for real; under emulation each boot takes some seconds, so that one serves many tests."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from labkit.errors import LabkitError
from labkit.linux.pidfd import pidfd_open
from labkit.vm import kernel, machine
from labkit.vm.initramfs import Guest
from labkit.vm.qemu import MIB, Hardware

pytestmark = pytest.mark.root

DEADLINE = 120.0
BLOB = bytes(range(256)) * 2000

# Copies stdin to stdout; says on stderr what it sees; leaves a process behind that holds all three.
SCRIPT = """
import json, os, subprocess, sys
data = sys.stdin.buffer.read()
sys.stdout.buffer.write(data)
sys.stdout.flush()
open("written-in-the-vm", "w").close()
subprocess.Popen(["sleep", "1000"])
json.dump({
    "release": os.uname().release,
    "boot": open("/proc/sys/kernel/random/boot_id").read(),
    "cwd": os.getcwd(),
    "user": os.geteuid(),
    "cpus": os.cpu_count(),
    "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    "mounts": [line.split(" - ")[1].split()[0] for line in open("/proc/self/mountinfo")],
    "v1": [line for line in open("/proc/cgroups") if line[0] != "#" and line.split()[1] != "0"],
    "controllers": open("/sys/fs/cgroup/cgroup.controllers").read().split(),
    "cgroup": open("/proc/self/cgroup").read(),
    "written": os.path.exists("written-in-the-vm"),
    "userns": subprocess.run(["unshare", "--user", "--map-root-user", "true"]).returncode,
    "interfaces": sorted(os.listdir("/sys/class/net")),
}, sys.stderr)
sys.exit(77)
"""


@pytest.fixture(scope="session", autouse=True)
def qemu():
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("no QEMU: sudo apt-get install --no-install-recommends qemu-system-x86")


@pytest.fixture(scope="module")
def booted(command, tmp_path_factory):
    """One run of SCRIPT: (folder, the ended process, what it saw)."""
    folder = tmp_path_factory.mktemp("vm")
    argv = [*command, "vm", "run", "--accel", "tcg", "--memory", "512M", "--cpus", "2", "--"]
    argv += ["/usr/bin/python3", "-c", SCRIPT]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(argv, cwd=folder, env=environment, input=BLOB, capture_output=True, timeout=DEADLINE)
    return folder, ended, json.loads(ended.stderr)


def test_bytes_go_in_and_out_as_they_are_and_stderr_apart(booted):
    assert booted[1].stdout == BLOB


def test_the_exit_status_is_the_commands_and_comes_though_something_still_runs(booted):
    assert booted[1].returncode == 77


def test_it_runs_as_root_in_the_same_folder_under_another_kernel(booted):
    folder, _, seen = booted
    assert (seen["user"], seen["cwd"]) == (0, str(folder))
    assert seen["release"] == kernel.find().release
    with open("/proc/sys/kernel/random/boot_id") as boot:
        assert seen["boot"] != boot.read()


def test_cgroups_are_of_version_2_alone_with_all_that_containers_need(booted):
    seen = booted[2]
    assert "cgroup" not in seen["mounts"]
    assert seen["mounts"].count("cgroup2") == 1
    assert seen["v1"] == []
    assert seen["cgroup"] == "0::/\n"
    assert {"cpu", "cpuset", "hugetlb", "io", "memory", "pids"} <= set(seen["controllers"])


def test_what_it_writes_stays_there(booted):
    folder, _, seen = booted
    assert seen["written"]
    assert list(folder.iterdir()) == []


def test_user_namespaces_can_be_made_in_it(booted):
    assert booted[2]["userns"] == 0


def test_it_has_the_hardware_that_was_asked_for_and_no_network(booted):
    seen = booted[2]
    assert seen["cpus"] == 2
    assert 400 * MIB < seen["memory"] <= 512 * MIB
    assert seen["interfaces"] == ["lo"]


@pytest.fixture
def start(command):
    """Start `labkit vm run ARGUMENTS`."""
    started = []

    def run(*arguments):
        argv = [*command, "vm", "run", "--accel", "tcg", "--memory", "256M", *arguments]
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=DEADLINE)


def descendants(pid):
    """pidfds of all processes below `pid`, by the name each goes by."""
    found = {}
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return {}
    for child in children:
        try:
            with open(f"/proc/{child}/comm") as file:
                found[f"{file.read().strip()} {child}"] = pidfd_open(child)
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
        found |= descendants(child)
    return found


def assert_gone(processes):
    """All of them end before the deadline; closes their descriptors."""
    end = time.monotonic() + DEADLINE
    left = []
    for name, pidfd in processes.items():
        if not select.select([pidfd], [], [], max(0.0, end - time.monotonic()))[0]:
            left.append(name)
        os.close(pidfd)
    assert left == []


def names(processes):
    return sorted({name.split()[0] for name in processes})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_when_it_is_killed_nothing_is_left(start, number):
    process = start("--", "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout.readline() == b"ready\n"
    processes = descendants(process.pid)
    assert names(processes) == ["qemu-system-x86", "virtiofsd"]
    process.send_signal(number)
    assert process.wait(DEADLINE) == (-9 if number == signal.SIGKILL else 128 + number)
    assert_gone(processes)


def test_when_it_is_killed_before_the_guest_is_up_nothing_is_left(start):
    process = start("--", "true")
    processes = {}
    end = time.monotonic() + DEADLINE
    while "qemu-system-x86" not in names(processes):
        assert time.monotonic() < end
        for pidfd in processes.values():
            os.close(pidfd)
        processes = descendants(process.pid)
    process.kill()
    process.wait(DEADLINE)
    assert_gone(processes)


def test_when_virtiofsd_is_killed_the_guest_is_ended(start):
    process = start("--", "sh", "-c", "echo ready; cat /usr/bin/* >/dev/null")
    assert process.stdout.readline() == b"ready\n"
    processes = descendants(process.pid)
    for name, pidfd in processes.items():
        if name.startswith("virtiofsd"):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 125
    assert said.startswith(b"labkit: virtiofsd, which shares 'host' with the VM, has ended\nhint: ")
    assert_gone(processes)


def test_when_qemu_is_killed_it_is_said(start):
    process = start("--", "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout.readline() == b"ready\n"
    processes = descendants(process.pid)
    for name, pidfd in processes.items():
        if name.startswith("qemu"):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 125
    assert said.startswith(b"labkit: the VM ended before its command: ")
    assert_gone(processes)


def test_a_reader_that_goes_away_ends_it(start):
    process = start("--", "yes")
    assert process.stdout.read(2) == b"y\n"
    processes = descendants(process.pid)
    process.stdout.close()
    assert process.wait(DEADLINE) == 141
    assert process.stderr.read() == b""
    assert_gone(processes)


def test_a_command_that_is_not_there_is_127_and_one_line(start):
    process = start("--", "no-such-command")
    out, said = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out) == (127, b"")
    assert said == b"labkit: no-such-command: not found in the VM\n"


def test_the_time_it_is_given_ends_it_with_124(start):
    process = start("--timeout", "3", "--", "sleep", "1000")
    _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 124
    assert said.decode().splitlines()[0] == "labkit: the VM was still running after 3 s, and was ended"


def test_with_net_it_reaches_the_hosts_loopback(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('10.0.2.2', {port})).send(b'hello')"
        process = start("--net", "--", "/usr/bin/python3", "-c", program)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(100) == b"hello"
        assert process.wait(DEADLINE) == 0


def test_a_guest_that_panics_is_told_with_the_kernels_words(tmp_path, monkeypatch):
    found = kernel.find()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    hardware = Hardware(memory=256 * MIB, cmdline="rdinit=/none")
    with open(os.devnull, "r+b") as null, pytest.raises(LabkitError, match="did not boot: Kernel panic") as caught:
        machine.run(found, Guest("exit 0"), hardware, stdio=(null.fileno(),) * 3)
    log = tmp_path / "labkit/vm/console.log"
    assert str(log) in caught.value.hint
    assert b"Kernel panic" in log.read_bytes()

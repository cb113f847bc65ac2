"""Every runtime that this host has, asked for the same things."""

import os
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from labkit import runtimes
from labkit.errors import LabkitError
from labkit.images import image, payload
from labkit.runtimes import bundle, cgroup, doctor
from labkit.runtimes.crun import FLAG
from labkit.workloads import startup

pytestmark = pytest.mark.root

DEADLINE = 30.0


@pytest.fixture(autouse=True)
def _the_null_device_is_left_alone():
    """Some runtimes give what they get as stdio to the user inside, and the host's null device with it."""
    before = os.stat("/dev/null")
    yield
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)


@pytest.fixture(params=[*runtimes.NAMES, *runtimes.COMPARED])
def runtime(request, probed):
    probe = probed(request.param)
    if not probe.available:
        pytest.skip(f"{request.param} is not available on this host: {probe.reason}")
    return runtimes.driver(request.param)


@pytest.fixture(scope="module")
def busybox():
    return os.fspath(image("busybox", shown=False))


@pytest.fixture
def rootfs(busybox, tmp_path):
    os.chmod(tmp_path, 0o755)
    return busybox


def _id():
    return f"labkit-test-{os.urandom(4).hex()}"


def _mounts():
    """Those that a sandbox may have made: other programs mount as well meanwhile."""
    with open("/proc/self/mountinfo") as file:
        return [line for line in file if "labkit-test-" in line or "/test_runtimes" in line]


def _run(runtime, place, id, input=b""):
    """(exit status, stdout) of a whole life."""
    feeding, writing_end = os.pipe2(os.O_CLOEXEC)
    reading, output_end = os.pipe2(os.O_CLOEXEC)
    sandbox = runtime.start(place, id, (feeding, output_end, 2))
    os.close(feeding)
    os.close(output_end)
    os.write(writing_end, input)
    os.close(writing_end)
    output = b""
    while select.select([reading], [], [], DEADLINE)[0] and (part := os.read(reading, 65536)):
        output += part
    status = sandbox.wait(DEADLINE)
    sandbox.delete()
    os.close(reading)
    return status, output


def _bundle(tmp_path, rootfs, *args):
    return bundle.write(str(tmp_path / "bundle"), bundle.spec(str(rootfs), args))


def test_exit_status_and_output_pass_through(runtime, rootfs, tmp_path):
    place = _bundle(tmp_path, rootfs, "/bin/sh", "-c", "read x; echo got $x; exit 7")
    assert _run(runtime, place, _id(), b"word\n") == (7, b"got word\n")


def test_a_whole_life_leaves_nothing(runtime, tmp_path):
    payload.make(str(tmp_path / "rootfs"))
    os.chmod(tmp_path, 0o755)
    place = _bundle(tmp_path, tmp_path / "rootfs", payload.PATH)
    id, before = _id(), _mounts()
    assert _run(runtime, place, id) == (0, payload.OUTPUT)
    assert cgroup.of(id) == []
    assert _processes_naming(id) == []
    assert _mounts() == before


def test_a_sandbox_that_still_runs_is_deleted_with_all_it_has(runtime, rootfs, tmp_path):
    place = _bundle(tmp_path, rootfs, "/bin/sh", "-c", "echo up; sleep 1000")
    id, before = _id(), _mounts()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with open(os.devnull, "rb") as null:
        sandbox = runtime.start(place, id, (null.fileno(), writing, 2))
    os.close(writing)
    assert select.select([reading], [], [], DEADLINE)[0]
    assert os.read(reading, 16) == b"up\n"
    with pytest.raises(LabkitError, match="still runs"):
        sandbox.wait(0.01)
    sandbox.delete()
    # The end of file comes when the last process with the pipe is gone.
    assert select.select([reading], [], [], DEADLINE)[0]
    assert os.read(reading, 16) == b""
    os.close(reading)
    assert cgroup.of(id) == []
    assert _mounts() == before
    _until(lambda: _processes_naming(id) == [])


def test_a_trial_measures_the_first_instruction_before_the_end(runtime, tmp_path):
    place = startup.prepare(str(tmp_path))
    with open(tmp_path / "log", "w+b") as log:
        first, whole = startup.trial(runtime, place, _id(), log.fileno())
    assert (first.metric, whole.metric) == ("first_instruction", "whole_life")
    assert 0 < first.value < whole.value < DEADLINE


def test_a_payload_that_is_not_there_fails_the_trial_with_a_reason(runtime, tmp_path):
    place = startup.prepare(str(tmp_path))
    os.unlink(tmp_path / "rootfs" / "payload")
    id = _id()
    with open(tmp_path / "log", "w+b") as log, pytest.raises(LabkitError) as caught:
        startup.trial(runtime, place, id, log.fileno())
    assert caught.value.message
    assert cgroup.of(id) == []


def test_crun_takes_a_hybrid_host_and_says_how(probed):
    from labkit.cgroups.detect import detect

    driver, probe = runtimes.driver("crun"), probed("crun")
    if not probe.available:
        pytest.skip(f"crun is not available on this host: {probe.reason}")
    if detect().mode != "hybrid":
        assert FLAG not in probe.flags
        return
    assert driver.name == "crun"
    unified = detect().v2()
    # Whatever crun needed, this process still sees the tree.
    assert unified is not None
    assert os.path.ismount(unified.mount)


def test_doctor_names_every_runtime_with_a_reason_and_a_remedy_for_what_is_missing():
    findings = doctor.examine()
    assert {f.name for f in findings if f.kind == "runtime"} == set(runtimes.ALL)
    for finding in findings:
        assert finding.available or (finding.reason and finding.remedy), finding
    assert {f.kind for f in findings} == {"runtime", "hypervisor", "facility", "program"}
    assert doctor.study_runs(findings)


@pytest.mark.parametrize("name", ["host", "labkit", "runc", "crun", "runsc", "podman", "containerd"])
def test_the_command_line_runs_the_same_image_in_any_runtime(name, busybox):
    argv = [sys.executable, "-m", "labkit", "run", "--runtime", name, "--rootfs", busybox, "--", "echo", "hi"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 127 and "not installed" in done.stderr:
        pytest.skip(f"{name} is not installed on this host")
    assert (done.returncode, done.stdout) == (0, "hi\n"), done.stderr


def test_another_runtimes_container_writes_to_a_tmpfs_and_not_to_the_image(busybox):
    argv = [sys.executable, "-m", "labkit", "run", "--runtime", "runc", "--rootfs", busybox]
    done = subprocess.run(
        [*argv, "--", "sh", "-c", "echo a > /new && cat /new"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "a\n"), done.stderr
    assert not os.path.exists(f"{busybox}/new")


def _start_a_sleeper(name, id, rootfs):
    argv = [sys.executable, "-m", "labkit", "run", "--runtime", name, "--id", id, "--rootfs", rootfs]
    argv += ["--", "sh", "-c", "echo up; exec sleep 1000"]
    running = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"up\n"
    return running


@pytest.mark.parametrize("name", ["runc", "crun", "runsc-ptrace"])
def test_gc_removes_what_a_killed_command_line_left_in_another_runtime(name, probed, busybox):
    if not probed(name).available:
        pytest.skip(f"{name} is not available on this host: {probed(name).reason}")
    id, before = _id(), _mounts()
    running = _start_a_sleeper(name, id, busybox)
    running.kill()
    running.wait()
    argv = [sys.executable, "-m", "labkit", "gc"]
    assert id in subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    # The sleeper had the pipe: its end of file says that it is gone.
    assert select.select([running.stdout], [], [], DEADLINE)[0]
    assert running.stdout.read() == b""
    running.stdout.close()
    assert cgroup.of(id) == []
    assert _mounts() == before
    _until(lambda: _processes_naming(id) == [])


DRIVES = """
import os, sys
from labkit import runtimes
name, place, id = sys.argv[1:]
given, open_for_ever = os.pipe()
sandbox = runtimes.driver(name).start(place, id, (given, 1, 2))
sandbox.wait(None)
"""


@pytest.mark.parametrize("name", ["microvm", "podman:runc", "containerd:runc"])
def test_gc_removes_what_a_killed_process_that_drives_a_runtime_left(name, probed, busybox, tmp_path):
    runtime, probe = runtimes.driver(name), probed(name)
    if not probe.available:
        pytest.skip(f"{name} is not available on this host: {probe.reason}")
    id, before, folders = _id(), _mounts(), _in_cgroup_roots()
    os.chmod(tmp_path, 0o755)
    place = bundle.write(str(tmp_path / "bundle"), bundle.spec(busybox, ("sh", "-c", "echo up; exec sleep 1000")))
    running = subprocess.Popen([sys.executable, "-c", DRIVES, name, place, id], stdout=subprocess.PIPE)
    with running.stdout as stdout:
        assert stdout.readline() == b"up\n"
        running.kill()
        running.wait()
        collected = subprocess.run([sys.executable, "-m", "labkit", "gc"], capture_output=True, text=True, check=True)
        assert id in collected.stdout.split()
        # The sleeper had the pipe: its end of file says that it is gone.
        assert select.select([stdout], [], [], DEADLINE)[0]
        assert stdout.read() == b""
    assert runtime.host_processes(id) == []
    assert cgroup.of(id) == []
    assert _mounts() == before
    assert _in_cgroup_roots() == folders
    left = [name for _, below, files in os.walk("/run/labkit") for name in below + files if id in name]
    assert left == []


def _in_cgroup_roots():
    """What is in /sys/fs/cgroup, and in each tree of it, and does not bear a sandbox's name."""
    places = ["/sys/fs/cgroup", *(entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir())]
    return {f"{place}/{name}" for place in places for name in os.listdir(place) if not name.startswith("labkit-")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_another_runtimes_container_and_leaves_nothing(number, busybox):
    id = _id()
    running = _start_a_sleeper("runc", id, busybox)
    running.send_signal(number)
    assert running.wait(DEADLINE) == 128 + number
    assert running.stdout.read() == b""
    running.stdout.close()
    assert cgroup.of(id) == []
    assert not os.path.exists(f"/run/labkit/others/{id}")


@pytest.mark.parametrize("name", ["host", "runc", "crun", "runsc-ptrace"])
@pytest.mark.parametrize(("command", "status"), [("no-such-command", 127), ("/etc", 126)])
def test_a_command_that_cannot_be_executed_is_told_alike_for_every_runtime(name, command, status, busybox):
    argv = [sys.executable, "-m", "labkit", "run", "--runtime", name, "--rootfs", busybox, "--", command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (status, 2)
    assert lines[0].startswith(f"labkit: {command}: ")
    assert lines[1].startswith("hint: ")


def _processes_naming(id):
    """The processes, this one's threads apart, with the sandbox's id in their command line."""
    named = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if id.encode() in file.read():
                    named.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass  # It ended while we looked.
    return named


def _until(condition):
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        pause.wait(0.01)

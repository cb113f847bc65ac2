"""containerd, the program, whose runc shim is given labkit-oci."""

import hashlib
import os
import pty
import select
import shutil
import subprocess
import sysconfig
import time

import pytest

from labkit.images import image
from labkit.images.archive import export
from labkit.images.engines import into_containerd

pytestmark = pytest.mark.root

RUNTIME = f"{sysconfig.get_path('scripts')}/labkit-oci"
CONFIG = """
version = 2
root = "{place}/root"
state = "{place}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{place}/socket"
"""


@pytest.fixture(scope="module")
def ctr(busybox_rootfs, tmp_path_factory):
    """Run `ctr WORDS` against a containerd of the test's own; ctr.run adds the runtime and a root filesystem."""
    if not shutil.which("containerd"):
        pytest.skip("containerd is not installed: sudo apt-get install containerd")
    place = tmp_path_factory.mktemp("containerd")
    shutil.copytree(busybox_rootfs, place / "rootfs", symlinks=True)
    (place / "config.toml").write_text(CONFIG.format(place=place))
    with open(place / "log", "w") as log:
        daemon = subprocess.Popen(["containerd", "--config", place / "config.toml"], stdout=log, stderr=log)

    class Ctr:
        words = ("ctr", "--address", f"{place}/socket")
        how = ("--runc-binary", RUNTIME, "--rootfs", str(place / "rootfs"))

        def __call__(self, *words):
            return subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=60)

        def run(self, id, *command, options=()):
            return self("run", *options, *self.how, id, *command)

    ctr = Ctr()
    until(lambda: ctr("version").returncode == 0, "containerd does not answer")
    yield ctr
    daemon.terminate()
    daemon.wait(timeout=30)


def until(true, message):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, message
        select.select([], [], [], 0.05)


@pytest.fixture
def task(ctr):
    """The id of a container that sleeps."""
    assert ctr.run("labkit-test", "/bin/sleep", "600", options=("--detach",)).returncode == 0
    yield "labkit-test"
    ctr("task", "rm", "--force", "labkit-test")
    ctr("container", "rm", "labkit-test")


def status(ctr, task):
    return next((line.split()[2] for line in ctr("task", "ls").stdout.splitlines() if line.startswith(task)), "")


def test_it_runs_a_program(ctr):
    done = ctr.run("labkit-test-run", "/bin/echo", "hi", options=("--rm",))
    assert (done.returncode, done.stdout) == (0, "hi\n")


def test_exit_statuses_and_errors(ctr):
    assert ctr.run("labkit-test-exit", "/bin/sh", "-c", "exit 9", options=("--rm",)).returncode == 9
    failed = ctr.run("labkit-test-missing", "/bin/nosuch", options=("--rm",))
    assert failed.returncode == 1
    assert 'exec: "/bin/nosuch": stat /bin/nosuch: no such file or directory' in failed.stderr


def test_a_terminal(ctr):
    master, slave = pty.openpty()
    words = [*ctr.words, "run", "--rm", "--tty", *ctr.how, "labkit-test-tty", "/bin/sh", "-c", "tty; exit 4"]
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:
        pass  # EIO: it has closed its side.
    os.close(master)
    assert process.wait(timeout=60) == 4
    assert b"/dev/pts/0" in shown


def test_exec_and_processes(ctr, task):
    done = ctr("task", "exec", "--exec-id", "one", task, "/bin/cat", "/proc/1/comm")
    assert (done.returncode, done.stdout) == (0, "sleep\n")
    pids = [line.split()[0] for line in ctr("task", "ps", task).stdout.splitlines()[1:]]
    assert [open(f"/proc/{pid}/comm").read() for pid in pids] == ["sleep\n"]


def test_pausing(ctr, task):
    assert ctr("task", "pause", task).returncode == 0
    assert status(ctr, task) == "PAUSED"
    assert ctr("task", "resume", task).returncode == 0
    assert status(ctr, task) == "RUNNING"


def test_metrics(ctr, task):
    rows = dict(line.split() for line in ctr("task", "metrics", task).stdout.splitlines() if len(line.split()) == 2)
    assert int(rows.get("memory.usage_in_bytes", rows.get("memory.usage", "0"))) > 0


def test_killing_and_removing(ctr, task):
    assert ctr("task", "kill", "--signal", "SIGKILL", task).returncode == 0
    until(lambda: status(ctr, task) == "STOPPED", "the task goes on")
    # Its status is the task's, 128 + 9.
    assert ctr("task", "rm", task).returncode in (0, 137)
    assert status(ctr, task) == ""


def test_an_image_of_ours_is_imported_without_a_network_and_is_the_same_there(ctr, tmp_path):
    busybox = image("busybox", shown=False)
    name = into_containerd(busybox, ctr.words)
    digest = export(busybox, tmp_path / "a.tar")
    assert [line.split()[2] for line in ctr("images", "ls").stdout.splitlines() if line.startswith(name)] == [digest]
    words = ("run", "--rm", "--runc-binary", RUNTIME, name, "labkit-test-image", "sha256sum", "/bin/busybox")
    done = ctr(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == hashlib.sha256((busybox.rootfs / "bin/busybox").read_bytes()).hexdigest()

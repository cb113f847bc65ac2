"""podman, the program, with labkit-oci as its runtime."""

import glob
import hashlib
import os
import pty
import shutil
import socket
import subprocess
import sysconfig

import pytest

from labkit.images import image
from labkit.images.archive import export
from labkit.images.engines import into_podman
from labkit.linux.cgroupfs import remove_cgroup

pytestmark = pytest.mark.root

RUNTIME = f"{sysconfig.get_path('scripts')}/labkit-oci"
# What podman asks for by itself is beyond the limits of a host whose root lacks CAP_SYS_RESOURCE.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


@pytest.fixture(scope="module")
def podman(busybox_rootfs, tmp_path_factory):
    """Run `podman WORDS` on storage of its own; podman.rootfs is a root filesystem, podman.run adds what run needs."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed: sudo apt-get install podman")
    place = tmp_path_factory.mktemp("podman")
    shutil.copytree(busybox_rootfs, place / "rootfs", symlinks=True)
    before = _left_by_podman()

    class Podman:
        rootfs = str(place / "rootfs")
        words = (
            "podman",
            *("--root", str(place / "root"), "--runroot", str(place / "run"), "--tmpdir", str(place / "tmp")),
            *("--cgroup-manager=cgroupfs", "--events-backend=none", "--runtime", RUNTIME),
        )

        def __call__(self, *words):
            return subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=60)

        def run(self, *words, options=()):
            options = ("--network", "none", *LIMITS, *options, "--rootfs", self.rootfs)
            return self("run", *options, *words)

    podman = Podman()
    yield podman
    podman("rm", "--all", "--force", "--time", "0")
    subprocess.run(["umount", "--lazy", str(place / "root/overlay")], capture_output=True)
    for folder in _left_by_podman() - before:
        if _is_cgroup(folder):
            remove_cgroup(folder)
        else:
            shutil.rmtree(folder)


def _left_by_podman():
    """Its parent cgroup in each tree; where none is mounted its monitor, conmon, makes plain folders of that name."""
    return set(glob.glob("/sys/fs/cgroup/*/libpod_parent") + glob.glob("/sys/fs/cgroup/libpod_parent"))


def _is_cgroup(folder):
    return any(os.path.exists(f"{folder}/{file}") for file in ("notify_on_release", "cgroup.controllers"))


@pytest.fixture
def running(podman):
    """The name of a container that says it has started and then sleeps."""
    podman.run("sh", "-c", "echo started; exec sleep 600", options=("--detach", "--name", "labkit-test"))
    yield "labkit-test"
    podman("rm", "--force", "--time", "0", "labkit-test")


def test_it_runs_a_program(podman):
    done = podman.run("echo", "hi", options=("--rm",))
    assert (done.returncode, done.stdout) == (0, "hi\n")


@pytest.mark.parametrize(("command", "status"), [(("sh", "-c", "exit 7"), 7), (("nosuch",), 127), (("/etc",), 126)])
def test_its_exit_statuses_are_those_under_runc(podman, command, status):
    assert podman.run(*command, options=("--rm",)).returncode == status


def test_a_terminal(podman):
    master, slave = pty.openpty()
    words = [*podman.words, "run", "--rm", "-it", "--network", "none", *LIMITS, "--rootfs", podman.rootfs, "sh"]
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    os.write(master, b"tty; exit 3\n")
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:
        pass  # EIO: it has closed its side.
    os.close(master)
    assert process.wait(timeout=60) == 3
    assert b"/dev/pts/0" in shown


def test_logs_exec_and_processes(podman, running):
    assert podman("logs", running).stdout == "started\n"
    assert podman("exec", running, "cat", "/proc/1/comm").stdout == "sleep\n"
    assert podman("exec", running, "sh", "-c", "exit 5").returncode == 5
    assert "sleep 600" in podman("top", running).stdout


def test_pausing(podman, running):
    def status():
        return podman("inspect", "--format", "{{.State.Status}}", running).stdout

    assert podman("pause", running).returncode == 0
    assert status() == "paused\n"
    assert podman("unpause", running).returncode == 0
    assert status() == "running\n"


def test_stopping_and_removing(podman, running):
    assert podman("stop", "--time", "0", running).returncode == 0
    assert podman("inspect", "--format", "{{.State.Status}}", running).stdout == "exited\n"
    assert podman("rm", running).returncode == 0
    assert podman("ps", "--all", "--quiet").stdout == ""


def test_limits_users_and_volumes(podman, tmp_path):
    (tmp_path / "seen").touch()
    tmp_path.chmod(0o755)
    options = ("--rm", "--memory", "64m", "--pids-limit", "50", "--user", "1000:50", "--volume", f"{tmp_path}:/data:ro")
    done = podman.run("sh", "-c", "id -u; id -g; ls /data; touch /data/x", options=options)
    assert done.stdout == "1000\n50\nseen\n"
    assert "Read-only file system" in done.stderr


def test_an_image_of_ours_is_loaded_without_a_network_and_is_the_same_there(podman, tmp_path):
    busybox = image("busybox", shown=False)
    name = into_podman(busybox, podman.words)
    digest = export(busybox, tmp_path / "a.tar")
    assert podman("image", "inspect", "--format", "{{.Digest}}", name).stdout == f"{digest}\n"
    done = podman("run", "--rm", "--network", "none", *LIMITS, name, "sha256sum", "/bin/busybox")
    assert done.stdout.split()[0] == hashlib.sha256((busybox.rootfs / "bin/busybox").read_bytes()).hexdigest()


def test_readiness_is_told_by_its_monitor(podman, tmp_path):
    """It makes the container's socket and listens there itself, and names the monitor as the process to be watched."""
    script = 'ln -s "$NOTIFY_SOCKET" /dev/log && logger "\nREADY=1"; echo "$NOTIFY_SOCKET"'
    words = [*podman.words, "run", "--rm", "--sdnotify=container", "--network", "none", *LIMITS, "--rootfs"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        manager.settimeout(60)
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "manager")}
        command = [*words, podman.rootfs, "sh", "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, "/run/notify/notify.sock\n"), done.stderr
        heard = [manager.recv(4096), manager.recv(4096)]
    assert heard[0].startswith(b"MAINPID=")
    assert heard[1] == b"READY=1"

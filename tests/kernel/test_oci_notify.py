"""A container as a service of systemd: that it is ready reaches the socket named in NOTIFY_SOCKET (sd_notify(3))."""

import json
import os
import pty
import shutil
import signal
import socket
import subprocess

import pytest

from labkit.engine import state
from labkit.linux.descriptors import readable
from labkit.spec import default

pytestmark = pytest.mark.root

# A line of the system's log is a datagram as well: with this one in it, it says that the container is ready.
READY = 'ln -s "$NOTIFY_SOCKET" /dev/log && logger "\nREADY=1"; '


@pytest.fixture
def rootfs(busybox_rootfs, tmp_path):
    """One of the test's own: the place of a mount stays in it."""
    os.chmod(tmp_path, 0o755)
    shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    return tmp_path / "rootfs"


class Manager:
    """Who hears what is passed on, and closes the descriptors that come with it, as systemd does."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind(address.replace("@", "\0") if address.startswith("@") else address)

    def hears(self, count):
        heard = []
        for _ in range(count):
            data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 4)
            heard.append(data.decode())
            for descriptor in descriptors:
                os.close(descriptor)
        return heard

    def has_heard_nothing(self):
        return not readable(self.socket.fileno(), 0)


@pytest.fixture(params=["path"])
def manager(request, tmp_path):
    made = Manager(str(tmp_path / "manager") if request.param == "path" else f"@labkit-test-{os.getpid()}")
    yield made
    made.socket.close()


@pytest.fixture
def service(oci, rootfs, tmp_path, manager):
    """`labkit-oci` as the manager starts it: service.begin(WORDS) does not wait for its end, service(WORDS) does."""

    class Service:
        id = oci.id
        states = str(tmp_path / "state")
        bundle = ("--bundle", str(tmp_path))
        log = tmp_path / "log"

        def begin(self, *words, manager=manager.address, **options):
            environment = os.environ | {"NOTIFY_SOCKET": manager}
            silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            command = [*oci.command, "--log", str(self.log), *words, self.id]
            return subprocess.Popen(command, env=environment, **(silent | options))

        def __call__(self, *words, **options):
            return self.begin(*words, **options).wait(60)

        def write(self, script, change=None):
            document = default.spec(str(rootfs), ("sh", "-c", script)).dump()
            if change:
                change(document)
            (tmp_path / "config.json").write_text(json.dumps(document))

        def warnings(self):
            return [line for line in self.log.read_text().splitlines() if "level=warning" in line]

        def pid(self):
            return state.load(self.id, self.states).pid

        def left(self):
            """What of the container is still there, once it was deleted."""
            assert self("delete", "--force") == 0
            return os.listdir(self.states)

    return Service()


@pytest.fixture
def pipes():
    """(stdin of the container, our end of it, our end of its stdout, its stdout)."""
    descriptors = [*os.pipe(), *os.pipe()]
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


@pytest.mark.parametrize("manager", ["path", "abstract"], indirect=True)
@pytest.mark.parametrize("overlay", [False, True])
def test_one_in_front_stands_for_its_container(service, manager, overlay):
    def change(document):
        document["annotations"] = {"dev.labkit.root.overlay": "tmpfs"} if overlay else {}

    service.write(f"{READY} read end; exit 3", change)
    running = service.begin("run", *service.bundle, stdin=subprocess.PIPE)
    assert manager.hears(2) == ["READY=1", f"MAINPID={running.pid}"]
    running.communicate(b"end\n", timeout=60)
    assert running.returncode == 3
    assert manager.has_heard_nothing()
    assert os.listdir(service.states) == []
    assert service.warnings() == []


def test_one_with_a_terminal(service, manager):
    def change(document):
        document["process"]["terminal"] = True

    service.write(f"{READY} read end; exit 3", change)
    master, slave = pty.openpty()
    try:
        streams = {"stdin": slave, "stdout": slave, "start_new_session": True}
        running = service.begin("run", *service.bundle, **streams)
        assert manager.hears(2) == ["READY=1", f"MAINPID={running.pid}"]
        os.write(master, b"end\n")
        assert running.wait(60) == 3
    finally:
        os.close(master)
        os.close(slave)


def test_its_last_word_is_heard(service, manager):
    service.write(READY)
    running = service.begin("run", *service.bundle)
    assert manager.hears(2) == ["READY=1", f"MAINPID={running.pid}"]
    assert running.wait(60) == 0


@pytest.mark.parametrize("at_once", [True, False])
def test_who_starts_it_returns_when_it_is_ready(service, manager, pipes, at_once):
    service.write(f"echo begun; read go; {READY} exec sleep 600")
    theirs_in, go, begun, theirs_out = pipes
    streams = {"stdin": theirs_in, "stdout": theirs_out}
    if at_once:
        starting = service.begin("run", "--detach", *service.bundle, **streams)
    else:
        assert service("create", *service.bundle, **streams) == 0
        starting = service.begin("start")
    assert os.read(begun, 100) == b"begun\n"
    assert starting.poll() is None
    assert manager.has_heard_nothing()
    os.write(go, b"go\n")
    assert manager.hears(3) == ["READY=1", f"MAINPID={service.pid()}", "BARRIER=1"]
    assert starting.wait(60) == 0
    assert service.left() == []


@pytest.mark.parametrize("at_once", [True, False])
def test_one_that_ends_without_a_word_is_waited_for_no_longer(service, manager, at_once):
    service.write("exit 3")
    if at_once:
        assert service("run", "--detach", *service.bundle) == 0
    else:
        assert service("create", *service.bundle) == 0
        assert service("start") == 0
    assert manager.has_heard_nothing()
    assert service.left() == []


@pytest.mark.parametrize("end", [("kill",), ("delete", "--force")])
def test_one_that_is_killed_is_waited_for_no_longer(service, manager, pipes, end):
    service.write("echo begun; exec sleep 600")
    assert service("create", *service.bundle, stdout=pipes[3]) == 0
    starting = service.begin("start")
    assert os.read(pipes[2], 100) == b"begun\n"
    ended = service.begin(*end) if end[0] == "delete" else None
    if ended is None:
        os.kill(service.pid(), signal.SIGKILL)
    assert starting.wait(60) == 0
    assert ended is None or ended.wait(60) == 0
    assert manager.has_heard_nothing()
    assert service.left() == []


def test_a_manager_that_is_not_there_is_one_warning(service, tmp_path):
    service.write(f"{READY} exit 3")
    assert service("run", *service.bundle, manager=str(tmp_path / "missing")) == 3
    (warning,) = service.warnings()
    assert "/missing: No such file or directory: it is not told that the container is ready" in warning


def test_a_manager_that_is_not_there_matters_to_nobody_who_says_nothing(service, tmp_path):
    service.write("exit 3")
    assert service("run", *service.bundle, manager=str(tmp_path / "missing")) == 3
    assert service.log.read_text() == ""


def test_what_is_no_address_is_ignored_with_a_warning(service):
    service.write('test -z "$NOTIFY_SOCKET"')
    assert service("run", *service.bundle, manager="vsock:2:1234") == 0
    (warning,) = service.warnings()
    assert "NOTIFY_SOCKET vsock:2:1234 is ignored" in warning


def _in_a_user_namespace(document):
    document["linux"]["namespaces"].append({"type": "user"})
    for name in ("uidMappings", "gidMappings"):
        document["linux"][name] = [{"containerID": 0, "hostID": 100000, "size": 65536}]


@pytest.mark.parametrize("user_namespace", [False, True])
def test_any_user_inside_may_say_it_and_none_may_take_the_socket_away(service, user_namespace):
    def change(document):
        document["process"]["user"] = {"uid": 1000, "gid": 1000}
        if user_namespace:
            _in_a_user_namespace(document)

    service.write('test -S "$NOTIFY_SOCKET" && test -w "$NOTIFY_SOCKET" && ! test -w "${NOTIFY_SOCKET%/*}"', change)
    assert service("run", *service.bundle) == 0, service.log.read_text()


def test_in_a_user_namespace(service, manager):
    service.write(READY, _in_a_user_namespace)
    running = service.begin("run", *service.bundle)
    assert manager.hears(2) == ["READY=1", f"MAINPID={running.pid}"]
    assert running.wait(60) == 0


def test_nothing_is_left_of_one_whose_runtime_was_killed(service, manager):
    service.write(f"{READY} exec sleep 600")
    running = service.begin("run", *service.bundle)
    manager.hears(2)
    running.kill()
    running.wait(60)
    assert service.left() == []


def test_one_that_was_created_for_nobody_is_not_waited_for(service, manager):
    service.write('test -z "$NOTIFY_SOCKET" && exec sleep 600')
    assert service("create", *service.bundle, manager="") == 0
    assert service("start") == 0
    assert manager.has_heard_nothing()
    assert service.left() == []


def test_one_that_is_started_for_nobody_is_not_waited_for(service, manager):
    service.write("exec sleep 600")
    assert service("create", *service.bundle) == 0
    assert service("start", manager="") == 0
    assert manager.has_heard_nothing()
    assert service.left() == []

"""Readiness: where the container has its socket, what is passed on of what it says there, and to whom."""

import os
import select
import socket
import subprocess
import threading

import pytest

from labkit.engine import garbage, notify, state
from labkit.linux.descriptors import readable
from labkit.plan.parent import MakeStateFolder
from labkit.plan.step import Scene
from labkit.spec import default
from labkit.spec.model import Spec


class Manager:
    """The host's socket: what it hears, with the descriptors that come with it closed, as systemd does."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(60)
        self.socket.bind(address)

    def hears(self):
        data, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 4)
        for descriptor in descriptors:
            os.close(descriptor)
        return data

    def has_heard_nothing(self):
        return not readable(self.socket.fileno(), 0)


@pytest.fixture
def manager(tmp_path):
    made = Manager(str(tmp_path / "manager"))
    yield made
    made.socket.close()


@pytest.fixture
def heard(tmp_path):
    """A listener whose socket is bound, to speak to with say(DATAGRAM), and what it has warned of."""
    warnings = []
    made = notify.Listener(str(tmp_path / "manager"), warnings.append)
    made.socket.bind(str(tmp_path / "ours"))

    def say(data):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
            program.sendto(data, str(tmp_path / "ours"))

    yield made, say, warnings
    made.close()


@pytest.fixture
def process():
    made = subprocess.Popen(["sleep", "600"])
    yield made
    made.kill()
    made.wait()


def prepared(address, held=True, folder="/state/x", **changed):
    spec = default.spec("rootfs", ("true",))
    for name, value in changed.items():
        setattr(spec.process, name, value)
    warnings = []
    listener, steps = notify.prepare(spec, address, folder, held, warnings.append)
    return spec, listener, steps, warnings


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("/tmp/folder/the-socket", "/tmp/folder/the-socket/notify"),
        ("/run/user/1000/systemd/notify", "/run/user/1000/systemd/notify/notify"),
        # There is one of its own where a systemd runs inside.
        ("/run/systemd/notify", "/run/notify/notify"),
        ("@abstract", "/run/notify/notify"),
        (f"/{'x' * 99}", f"/{'x' * 99}/notify"),
        (f"/{'x' * 100}", "/run/notify/notify"),
    ],
)
def test_the_program_finds_its_socket_by_its_environment(address, inside):
    spec, listener, steps, warnings = prepared(address, env=("A=1", "NOTIFY_SOCKET=/another", "B=2"))
    assert spec.process.env == ("A=1", "B=2", f"NOTIFY_SOCKET={inside}")
    mount = spec.mounts[-1]
    assert f"{mount.destination}/notify" == inside
    assert (mount.source, "ro" in mount.options) == ("/state/x/notify/shown", True)
    assert (listener, steps, warnings) == (None, (notify.MakeNotifyFolder(-1, "/state/x"),), [])


def test_one_that_is_not_held_is_listened_to_from_the_beginning():
    _, listener, steps, _ = prepared("/manager", held=False)
    try:
        assert steps == (notify.MakeNotifyFolder(listener.socket.fileno(), "/state/x"),)
    finally:
        listener.close()


@pytest.mark.parametrize("address", ["relative", "vsock:2:1234", "/", "@", "//"])
def test_what_is_no_address_is_ignored_with_a_warning(address):
    spec, listener, steps, warnings = prepared(address)
    assert spec == default.spec("rootfs", ("true",))
    assert (listener, steps) == (None, ())
    assert warnings == [f"NOTIFY_SOCKET {address} is ignored: it is neither an absolute path nor an abstract address"]


def test_nothing_is_mounted_in_a_mount_namespace_that_is_not_its_own():
    spec = default.spec("rootfs", ("true",))
    spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind != "mount")
    before, warnings = spec.mounts, []
    assert notify.prepare(spec, "/manager", "/state/x", True, warnings.append) == (None, ())
    assert spec.mounts == before
    assert "without a mount namespace of its own" in warnings[0]


@pytest.mark.parametrize("said", [b"READY=1", b"READY=1\n", b"STATUS=Serving\nREADY=1\nWATCHDOG=1"])
def test_that_it_is_ready_is_passed_on_with_the_process_to_be_watched(manager, heard, process, said):
    listener, say, warnings = heard
    listener.process = os.pidfd_open(process.pid)
    say(b"STATUS=Loading")
    say(said)
    waiting = threading.Thread(target=listener.await_ready, args=(process.pid,))
    waiting.start()
    told = [manager.hears() for _ in range(3)]
    waiting.join(60)
    assert not waiting.is_alive()
    assert told == [b"READY=1", f"MAINPID={process.pid}".encode(), b"BARRIER=1"]
    assert warnings == []


def test_who_leaves_waits_until_the_manager_has_read_it(manager, heard, process):
    listener, say, _ = heard
    listener.process = os.pidfd_open(process.pid)
    say(b"READY=1")
    waiting = threading.Thread(target=listener.await_ready, args=(process.pid,))
    waiting.start()
    manager.hears()
    manager.hears()
    barrier, descriptors, _, _ = socket.recv_fds(manager.socket, 4096, 4)
    assert (barrier, waiting.is_alive()) == (b"BARRIER=1", True)
    os.close(*descriptors)
    waiting.join(60)
    assert not waiting.is_alive()


@pytest.mark.parametrize("said", [b"STATUS=READY=1", b"READY=0", b"READY=10", b"", b"\xff\0"])
def test_who_ends_without_having_said_it_is_waited_for_no_longer(manager, heard, process, said):
    listener, say, warnings = heard
    listener.process = os.pidfd_open(process.pid)
    say(said)
    process.kill()
    listener.await_ready(process.pid)
    assert manager.has_heard_nothing()
    assert warnings == []


def test_the_last_word_of_one_that_has_ended_is_passed_on_without_its_pid(manager, heard, process):
    listener, say, _ = heard
    listener.process = os.pidfd_open(process.pid)
    say(b"READY=1")
    process.kill()
    assert readable(listener.process, 60000)
    waiting = threading.Thread(target=listener.await_ready, args=(process.pid,))
    waiting.start()
    assert [manager.hears(), manager.hears()] == [b"READY=1", b"BARRIER=1"]
    waiting.join(60)
    assert not waiting.is_alive()


def test_a_manager_that_is_not_there_is_one_warning(heard, process):
    listener, say, warnings = heard
    listener.process = os.pidfd_open(process.pid)
    say(b"READY=1")
    listener.await_ready(process.pid)
    assert len(warnings) == 1
    assert warnings[0].endswith("/manager: No such file or directory: it is not told that the container is ready")


def test_an_abstract_address(process):
    listener = notify.Listener(f"@labkit-test-{os.getpid()}", print, os.pidfd_open(process.pid))
    manager = Manager(f"\0labkit-test-{os.getpid()}")
    try:
        listener._tell(7, leaving=False)
        assert [manager.hears(), manager.hears()] == [b"READY=1", b"MAINPID=7"]
    finally:
        manager.socket.close()
        listener.close()


def test_who_waits_in_front_passes_it_on_meanwhile_and_before_the_end(manager, heard):
    listener, say, _ = heard
    awaited, end = os.pipe()
    waits = []

    def wait(descriptor):
        waits.append(descriptor)
        # Once while there is more to come, and once at the end, with both at a time.
        say(b"READY=1")
        if len(waits) == 2:
            os.close(end)
        assert readable(descriptor, 60000)

    listener.meanwhile(wait)(awaited)
    assert readable(awaited, 0)
    os.close(awaited)
    ready, main = b"READY=1", f"MAINPID={os.getpid()}".encode()
    assert [manager.hears() for _ in range(4)] == [ready, main, ready, main]
    assert manager.has_heard_nothing()


def test_what_others_wait_for_with_a_descriptor_is_not_kept_open(heard):
    """systemd-notify inside waits until its descriptor is closed."""
    listener, _, _ = heard
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
        program.connect(listener.socket.getsockname())
        socket.send_fds(program, [b"BARRIER=1"], [writing])
    os.close(writing)
    assert not listener._hears_ready()
    assert select.select([reading], [], [], 60)[0]
    assert os.read(reading, 1) == b""
    os.close(reading)


def made(folder, descriptor=-1, umask=0o022):
    """A created container's state, after the steps of its maker."""
    content = state.content(Spec(), "x", "", [], [])
    before = os.umask(umask)
    try:
        for step in (
            MakeStateFolder(b"{}", content, True, f"{folder}/x", False),
            notify.MakeNotifyFolder(descriptor, f"{folder}/x"),
        ):
            step.apply(Scene())
    finally:
        os.umask(before)
    return state.load("x", str(folder))


def modes(folder):
    return {name: oct(os.lstat(f"{folder}/{name}").st_mode & 0o777) for name in ("notify", "notify/shown")}


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_the_folder_is_for_any_user_inside_and_for_no_other_on_the_host(tmp_path, umask):
    found = made(tmp_path, umask=umask)
    assert modes(found.folder) == {"notify": "0o700", "notify/shown": "0o755"}


def test_a_path_longer_than_an_address_can_be(tmp_path):
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    listener = notify.Listener("/manager", print)
    try:
        found = made(folder, listener.socket.fileno())
        assert oct(os.stat(f"{found.folder}/notify/shown/notify").st_mode) == "0o140666"
        # It is not closed with the object by which it was bound.
        assert listener.socket.getsockname().endswith("/notify")
    finally:
        listener.close()


def test_it_goes_with_the_container(tmp_path):
    found = made(tmp_path)
    # As a container may that has the privilege to mount.
    os.makedirs(f"{found.folder}/notify/shown/more/and-more")
    garbage.destroy(found)
    assert os.listdir(tmp_path) == []


def test_undone_it_is_gone(tmp_path):
    found = made(tmp_path)
    step = notify.MakeNotifyFolder(-1, found.folder)
    step.undo(Scene())
    step.undo(Scene())
    assert "notify" not in os.listdir(found.folder)


def add(found, line):
    with open(f"{found.folder}/state", "a") as file:
        file.write(line + "\n")
    return state.load("x", os.path.dirname(found.folder))


def test_what_a_start_that_was_killed_has_left_is_no_obstacle(tmp_path, process):
    found = add(made(tmp_path), f'{{"pid": {process.pid}, "start": 1}}')
    for _ in range(2):
        notify.listen(found, "/manager", print).close()
    assert os.listdir(f"{found.folder}/notify/shown") == ["notify"]


def test_nobody_listens_for_one_that_has_started(tmp_path, process):
    """Who waits for it already would hear no more."""
    found = add(made(tmp_path), f'{{"pid": {process.pid}, "start": 1}}')
    os.unlink(f"{found.folder}/exec.fifo")
    assert notify.listen(found, "/manager", print) is None


def test_nobody_listens_for_one_that_was_created_without(tmp_path, process):
    found = add(made(tmp_path), f'{{"pid": {process.pid}, "start": 1, "notify": false}}')
    assert notify.listen(found, "/manager", print) is None


def test_nobody_listens_for_one_that_is_dead(tmp_path):
    # Above the greatest pid that Linux gives (PID_MAX_LIMIT).
    found = add(made(tmp_path), '{"pid": 4194305, "start": 1}')
    assert notify.listen(found, "/manager", print) is None


def test_a_socket_that_cannot_be_made_names_its_path(tmp_path, process):
    found = add(made(tmp_path), f'{{"pid": {process.pid}, "start": 1}}')
    os.mkdir(f"{found.folder}/notify/shown/notify")
    with pytest.raises(OSError, match="notify/shown/notify") as refused:
        notify.listen(found, "/manager", print)
    assert refused.value.filename == f"{found.folder}/notify/shown/notify"

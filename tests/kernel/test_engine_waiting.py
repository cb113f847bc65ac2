"""What one container waits for keeps no other waiting: whoever answers its system calls, and hooks at its end."""

import os
import socket
import threading
import time

import pytest

from labkit import Container
from labkit.engine import state
from labkit.engine.configure import configure
from labkit.errors import LabkitError
from labkit.spec.model import Hook, Seccomp, SeccompRule

pytestmark = pytest.mark.root

DEADLINE = 60.0


@pytest.fixture
def agent(tmp_path):
    """A socket that is listened at, with one connection not yet accepted, and there is no room for more."""
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as queued:
        server.settimeout(DEADLINE)
        server.bind(f"{tmp_path}/agent")
        server.listen(0)
        queued.connect(f"{tmp_path}/agent")
        yield server


def until_it_has_a_process(id):
    end = time.monotonic() + DEADLINE
    while True:
        found = state.read(f"{state.root()}/{id}", id)
        if found and found.pid:
            return
        assert time.monotonic() < end
        time.sleep(0.002)


def test_others_run_while_a_listener_is_busy(rootfs, agent):
    spec = configure(str(rootfs), ["sleep", "600"])
    rule = SeccompRule(names=("mkdir",), action="SCMP_ACT_NOTIFY")
    spec.linux.seccomp = Seccomp(default_action="SCMP_ACT_ALLOW", rules=(rule,), listener_path=agent.getsockname())
    with Container.from_spec(spec) as waiting:
        thread = threading.Thread(target=waiting.start)
        thread.start()
        until_it_has_a_process(waiting.id)
        for _ in range(3):
            assert Container(rootfs, ["echo", "done"]).run(timeout=DEADLINE).text == "done\n"
        assert state.load(waiting.id, state.root()).status() == "creating"
        agent.accept()[0].close()
        connection, _ = agent.accept()
        with connection:
            assert connection.recv(1) == b"{"
        thread.join(DEADLINE)
        assert waiting.status == "running"


def test_others_run_during_the_last_hook_of_one_that_could_not_be_made(rootfs, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    spec = configure(str(rootfs), ["true"])
    slow = f"echo begun > {begun}; read go < {go}"
    spec.hooks.poststop = (Hook(path="/bin/sh", args=("sh", "-c", slow)),)
    spec.hooks.create_runtime = (Hook(path="/bin/false", args=("false",)),)
    failed = []

    def start():
        try:
            Container.from_spec(spec).start()
        except LabkitError as error:
            failed.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    assert begun.read_text() == "begun\n"
    assert Container(rootfs, ["echo", "done"]).run(timeout=DEADLINE).text == "done\n"
    assert failed == []
    go.write_text("\n")
    thread.join(DEADLINE)
    assert "createRuntime hook #0" in str(failed[0])

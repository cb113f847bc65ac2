import json
import os
import socket

import pytest

from labkit.engine import listener
from labkit.errors import SpecError

STATE = {"ociVersion": "1.2.0", "id": "x", "status": "creating", "pid": 7, "bundle": ""}


class Kernel:
    """Any descriptor of another process is one of the null device."""

    def pidfd_getfd(self, pidfd, number):
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)


@pytest.fixture
def agent(tmp_path):
    """A listening socket that takes one connection at a time, and the folder's path for it."""
    before = set(os.listdir("/proc/self/fd"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{tmp_path}/agent")
        server.listen(0)
        yield server
    assert set(os.listdir("/proc/self/fd")) == before


def offer(agent):
    return ("listener", 5, agent.getsockname(), "words")


def test_the_state_comes_with_the_descriptor(agent):
    assert list(listener.pass_on(Kernel(), -1, offer(agent), 7, STATE)) == []
    connection, _ = agent.accept()
    with connection:
        data, (descriptor,), _, _ = socket.recv_fds(connection, 65536, 2)
        assert os.fstat(descriptor).st_rdev == os.stat("/dev/null").st_rdev
        os.close(descriptor)
        message = json.loads(data)
        assert (message["fds"], message["pid"], message["metadata"]) == (["seccompFd"], 7, "words")
        assert message["state"] == STATE
        assert connection.recv(1) == b""


def test_an_agent_that_is_busy_is_waited_for_moment_by_moment(agent):
    with socket.socket(socket.AF_UNIX) as another:
        another.connect(agent.getsockname())
        moments = listener.pass_on(Kernel(), -1, offer(agent), 7, STATE)
        assert next(moments, "end") is None
        assert next(moments, "end") is None
        agent.accept()[0].close()
        assert next(moments, "end") == "end"
    connection, _ = agent.accept()
    with connection:
        assert connection.recv(1) == b"{"


def test_a_state_longer_than_the_sockets_buffer_arrives_whole(agent):
    long = STATE | {"annotations": {"long": "x" * 2_000_000}}
    moments = listener.pass_on(Kernel(), -1, offer(agent), 7, long)
    assert next(moments, "end") is None
    connection, _ = agent.accept()
    got = bytearray()
    with connection:
        while next(moments, "end") is None:
            got += connection.recv(10**6)
        while part := connection.recv(10**6):
            got += part
    assert json.loads(got)["state"] == long


def test_one_that_never_accepts_is_said_to_be_the_one_at_fault(agent, monkeypatch):
    monkeypatch.setattr(listener, "_PATIENCE", 0)
    with socket.socket(socket.AF_UNIX) as another:
        another.connect(agent.getsockname())
        with pytest.raises(SpecError, match="timed out") as caught:
            list(listener.pass_on(Kernel(), -1, offer(agent), 7, STATE))
    assert caught.value.pointer == "/linux/seccomp/listenerPath"


def test_nobody_listening_is_an_error(agent, tmp_path):
    with pytest.raises(SpecError, match="No such file"):
        list(listener.pass_on(Kernel(), -1, ("listener", 5, f"{tmp_path}/none", ""), 7, STATE))

"""A stand-in for a guest: its four ports, and what is asked of it."""

import json
import os
import socket
import threading

import pytest

from labkit.errors import LabkitError
from labkit.vm import talk
from labkit.vm.sandbox import READY, STREAMS

DEADLINE = 20.0


class Guest(threading.Thread):
    """Answers one exec: what it reads it says in capitals on stdout, and ends with 7 when its input does."""

    def __init__(self, folder, answers=True):
        super().__init__(daemon=True)
        self.answers = answers
        self.asked = []
        self.requests = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.requests.bind(f"{folder}/{READY}")
        self.servers = []
        for name in STREAMS:
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.bind(f"{folder}/{name}")
            server.listen(1)
            self.servers.append(server)

    def run(self):
        stdin, stdout, stderr, status = (server.accept()[0] for server in self.servers)
        _, mark, arguments = self.ask()
        given = stdin.makefile("rb")
        assert given.readline() == b"go\n"
        if not self.answers:
            assert self.ask() == ["end"]
        else:
            stdout.sendall(given.read().upper())
            stderr.sendall(arguments.encode())
        stdout.sendall(mark.encode())
        stderr.sendall(mark.encode())
        status.sendall(b"7\n" if self.answers else b"137\n")

    def ask(self):
        self.asked.append(self.requests.recv(65536).decode())
        return self.asked[-1].split(" ", 2)


@pytest.fixture
def streams(tmp_path):
    """(descriptors for the program, a function that tells what it said on stdout and stderr)."""
    (tmp_path / "in").write_bytes(b"quiet words")
    descriptors = [os.open(tmp_path / "in", os.O_RDONLY)]
    descriptors += [os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT) for name in ("out", "err")]
    yield tuple(descriptors), lambda: ((tmp_path / "out").read_text(), (tmp_path / "err").read_text())
    for descriptor in descriptors:
        os.close(descriptor)


def test_streams_and_status_pass_and_the_mark_does_not(tmp_path, streams):
    guest = Guest(tmp_path)
    guest.start()
    descriptors, said = streams
    assert talk.execute(str(tmp_path), ["a", "b c"], descriptors, DEADLINE) == 7
    assert said() == ("QUIET WORDS", json.dumps(["a", "b c"]))
    guest.join(DEADLINE)


def test_a_program_that_takes_too_long_is_ended(tmp_path, streams):
    guest = Guest(tmp_path, answers=False)
    guest.start()
    with pytest.raises(LabkitError, match=r"sleep still ran after 0\.1 s and was ended"):
        talk.execute(str(tmp_path), ["sleep"], streams[0], 0.1)
    guest.join(DEADLINE)
    assert guest.asked[-1] == "end"


def test_a_sandbox_that_is_not_there_is_said_to_be_gone(tmp_path, streams):
    with pytest.raises(LabkitError, match="the sandbox has ended, or is being made"):
        talk.ask(str(tmp_path), "start")
    with pytest.raises(LabkitError, match="the sandbox has ended, or is being made"):
        talk.execute(str(tmp_path), ["x"], streams[0], DEADLINE)

"""The system-call filter of config.json: actions, flags, arguments, and a listener that answers for the kernel."""

import array
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import threading

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import LabkitError
from labkit.linux.seccomp import FILTER_FLAGS
from labkit.spec.model import Seccomp, SeccompArgument, SeccompRule

pytestmark = pytest.mark.root

# include/uapi/linux/seccomp.h: what a listener receives and answers.
SECCOMP_IOCTL_NOTIF_RECV = 0xC0502100
SECCOMP_IOCTL_NOTIF_SEND = 0xC0182101
MKDIR = ("mkdir", "mkdirat")


def contained(rootfs, script, action, flags=(), names=MKDIR, errno=None, arguments=(), **properties):
    spec = configure(str(rootfs), ["sh", "-c", script])
    rule = SeccompRule(names=names, action=action, errno=errno, arguments=arguments)
    spec.linux.seccomp = Seccomp(default_action="SCMP_ACT_ALLOW", flags=flags, rules=(rule,), **properties)
    return Container.from_spec(spec)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("SCMP_ACT_KILL", 128 + signal.SIGSYS),
        ("SCMP_ACT_KILL_THREAD", 128 + signal.SIGSYS),
        ("SCMP_ACT_KILL_PROCESS", 128 + signal.SIGSYS),
        ("SCMP_ACT_TRAP", 128 + signal.SIGSYS),
        ("SCMP_ACT_ERRNO", 1),
        ("SCMP_ACT_TRACE", 1),
        ("SCMP_ACT_LOG", 0),
        ("SCMP_ACT_ALLOW", 0),
    ],
)
def test_every_action(rootfs, action, status):
    # Without a tracer TRACE is ENOSYS (seccomp(2)).
    assert contained(rootfs, "mkdir /made; exit $?", action).run(timeout=60).exit_status == status


def test_the_errno_is_the_one_given(rootfs):
    result = contained(rootfs, "mkdir /made", "SCMP_ACT_ERRNO", errno=28).run(timeout=60)
    assert b"No space left on device" in result.stderr


def test_alternatives_for_one_argument(rootfs):
    # SIGURG and SIGWINCH; like SIGCONT, which is not listed, they end nobody.
    signals = tuple(SeccompArgument(index=1, operator="SCMP_CMP_EQ", value=number) for number in (23, 28))
    script = "for number in 18 23 28; do kill -$number $$ && echo $number; done; true"
    result = contained(rootfs, script, "SCMP_ACT_ERRNO", names=("kill",), arguments=signals).run(timeout=60)
    assert result.text == "18\n"


@pytest.mark.parametrize(
    ("operator", "value", "value_two", "sent"),
    [
        ("SCMP_CMP_NE", 23, 0, "23"),
        ("SCMP_CMP_LT", 23, 0, "23 28"),
        ("SCMP_CMP_LE", 23, 0, "28"),
        ("SCMP_CMP_EQ", 23, 0, "18 28"),
        ("SCMP_CMP_GE", 23, 0, "18"),
        ("SCMP_CMP_GT", 23, 0, "18 23"),
        # 18 is 0b10010, 23 is 0b10111, 28 is 0b11100.
        ("SCMP_CMP_MASKED_EQ", 0b01101, 0b00101, "18 28"),
        ("SCMP_CMP_MASKED_EQ", 0b00100, 0b00100, "18"),
        ("SCMP_CMP_EQ", 2**32 + 23, 0, "18 23 28"),
    ],
)
def test_every_comparison(rootfs, operator, value, value_two, sent):
    """Of SIGCONT, SIGURG and SIGWINCH, which end nobody, those are sent that the comparison does not refuse."""
    compared = (SeccompArgument(index=1, operator=operator, value=value, value_two=value_two),)
    script = "for number in 18 23 28; do kill -$number $$ 2>/dev/null && echo $number; done; true"
    result = contained(rootfs, script, "SCMP_ACT_ERRNO", names=("kill",), arguments=compared).run(timeout=60)
    assert result.text.split() == sent.split()


@pytest.mark.parametrize("flag", sorted(FILTER_FLAGS))
def test_every_flag_is_taken(rootfs, flag):
    result = contained(rootfs, "mkdir /made", "SCMP_ACT_ERRNO", (flag,)).run(timeout=60)
    assert b"Operation not permitted" in result.stderr


class Listener:
    """A process's end of a filter: takes one container's descriptor and answers its calls with an errno."""

    def __init__(self, path, errno):
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.settimeout(60)
        self.server.bind(str(path))
        self.server.listen(1)
        self.errno = errno
        self.states = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        connection, _ = self.server.accept()
        with connection:
            data, (descriptor,), _, _ = socket.recv_fds(connection, 65536, 1)
            self.states.append(json.loads(data))
            assert connection.recv(1) == b""
        request = array.array("b", bytes(80))
        fcntl.ioctl(descriptor, SECCOMP_IOCTL_NOTIF_RECV, request)
        (number,) = struct.unpack_from("=Q", request)
        fcntl.ioctl(descriptor, SECCOMP_IOCTL_NOTIF_SEND, struct.pack("=QqiI", number, 0, -self.errno, 0))
        os.close(descriptor)

    def close(self):
        self.thread.join(60)
        self.server.close()


@pytest.mark.parametrize("new_privileges", [False, True])
@pytest.mark.parametrize("flags", [(), tuple(sorted(FILTER_FLAGS))])
def test_a_listener_answers_and_knows_whom(rootfs, tmp_path, new_privileges, flags):
    listener = Listener(tmp_path / "socket", 17)
    container = contained(
        rootfs,
        "mkdir /made",
        "SCMP_ACT_NOTIFY",
        flags,
        listener_path=f"{tmp_path}/socket",
        listener_metadata="words",
    )
    container.spec.process.no_new_privileges = not new_privileges
    result = Container.from_spec(container.spec, id="notified").run(timeout=60)
    listener.close()
    assert b"File exists" in result.stderr
    (state,) = listener.states
    assert (state["fds"], state["metadata"]) == (["seccompFd"], "words")
    assert (state["state"]["id"], state["state"]["status"]) == ("notified", "creating")
    assert state["pid"] == state["state"]["pid"] > 0


def test_a_listener_that_is_not_there_is_said(rootfs, tmp_path):
    container = contained(rootfs, "true", "SCMP_ACT_NOTIFY", listener_path=f"{tmp_path}/none")
    with pytest.raises(LabkitError, match=r"config\.json#/linux/seccomp/listenerPath: .*No such file"):
        container.run(timeout=60)


def test_without_notifications_the_listener_is_not_needed(rootfs, tmp_path):
    container = contained(rootfs, "true", "SCMP_ACT_ERRNO", listener_path=f"{tmp_path}/none")
    assert container.run(timeout=60).exit_status == 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the 32-bit calls of x86")
def test_another_architecture_is_filtered_only_when_it_is_named(rootfs, tmp_path):
    program = subprocess.run(
        ["cc", "-m32", "-nostdlib", "-static", "-o", tmp_path / "mkdir32", "-x", "assembler", "-"],
        input=MKDIR32,
        text=True,
        capture_output=True,
    )
    if program.returncode:
        pytest.skip("no assembler for 32-bit programs: sudo apt-get install gcc")
    volume = f"{tmp_path}/mkdir32:/mkdir32:ro"
    for architectures, status in ((("SCMP_ARCH_X86",), 1), ((), 128 + signal.SIGSYS)):
        spec = configure(str(rootfs), ["/mkdir32"], volumes=[volume])
        rule = SeccompRule(names=MKDIR, action="SCMP_ACT_ERRNO")
        spec.linux.seccomp = Seccomp(default_action="SCMP_ACT_ALLOW", architectures=architectures, rules=(rule,))
        assert Container.from_spec(spec).run(timeout=60).exit_status == status


# mkdir("/made", 0755), then exit with the errno.
MKDIR32 = """
.globl _start
_start:
    mov $39, %eax
    mov $path, %ebx
    mov $0755, %ecx
    int $0x80
    neg %eax
    mov %eax, %ebx
    mov $1, %eax
    int $0x80
.data
path: .asciz "/made"
"""

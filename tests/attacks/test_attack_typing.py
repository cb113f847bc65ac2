"""Typing into the caller's terminal, by TIOCSTI on one that is passed as stdio (CVE-2017-5226, CVE-2005-4890's class).

What is pushed into the queue is read by the caller's shell when the container has ended, and run on the host. What
defends: NewSession: TIOCSTI is for the terminal that controls the session, or for CAP_SYS_ADMIN (ioctl_tty(2)).
"""

import fcntl
import os
import pty
import termios

import pytest

pytestmark = pytest.mark.root

PROGRAM = """
import fcntl, termios
try:
    for one in b"canary":
        fcntl.ioctl(0, termios.TIOCSTI, bytes([one]))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("without", [[], ["NewSession"]])
def test_typed_into_the_callers_terminal(attack, own_rootfs, python, tmp_path, without):
    try:
        with open("/proc/sys/dev/tty/legacy_tiocsti") as allowed:
            if allowed.read() == "0\n":
                pytest.skip("the kernel itself refuses it: sysctl dev.tty.legacy_tiocsti")
    except FileNotFoundError:
        pass  # Before Linux 6.2 it is always allowed.
    pid, master = pty.fork()
    if pid == 0:
        # A session of its own, as the leader of which it has the terminal, as a shell has.
        status = 1
        try:
            settings = termios.tcgetattr(0)
            settings[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(0, termios.TCSANOW, settings)
            done = attack(own_rootfs, python(PROGRAM), volumes=python.volumes, without=without, stdin=0)
            fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK)
            try:
                typed = os.read(0, 100).decode()
            except BlockingIOError:
                typed = ""
            (tmp_path / "seen").write_text(typed + done.stdout)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    os.close(master)
    assert (tmp_path / "seen").read_text() == ("canary" if without else "Operation not permitted\n")

"""What a program wrote to its terminal is shown, however soon it ended."""

import array
import os
import pty
import socket

from labkit.engine.relay import Relay


def test_a_program_that_ends_before_anybody_waits_is_still_shown(capfd):
    master, terminal = pty.openpty()
    ended, hang_up = os.pipe()
    ours, theirs = socket.socketpair()
    os.write(terminal, b"soon over")
    os.close(terminal)
    os.close(hang_up)
    theirs.sendmsg([b"/dev/ptmx"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [master]))])
    relay = Relay(ours.detach())
    relay.wait(ended)
    relay.close()
    for descriptor in (master, ended):
        os.close(descriptor)
    theirs.close()
    assert capfd.readouterr().out == "soon over"


def test_a_terminal_that_never_came_is_not_waited_for(capfd):
    ours, theirs = socket.socketpair()
    Relay(ours.detach()).close()
    theirs.close()
    assert capfd.readouterr().out == ""

"""A socket of the host's that is mounted, such as a container daemon's: not defended, and documented so.

Who may speak to a daemon that runs as root on the host may do what the daemon does: with the socket of one that makes
containers, all. No mechanism of the engine is between them; docs/attacks.md says so. What remains of a defence is not
to mount it, or a user namespace where the daemon asks who speaks (unix(7), SO_PEERCRED).
"""

import os
import socket

import pytest

pytestmark = pytest.mark.root

PROGRAM = """
import socket
with socket.socket(socket.AF_UNIX) as one:
    one.connect("/run/daemon")
    one.sendall(b"the attacker's orders")
"""


@pytest.mark.parametrize("namespaces", [None, ["pid", "network", "ipc", "uts", "mount", "cgroup", "user"]])
def test_it_is_spoken_to(attack, own_rootfs, python, tmp_path, namespaces):
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "socket"))
        os.chmod(tmp_path / "socket", 0o666)
        daemon.listen()
        daemon.setblocking(False)
        volumes = [*python.volumes, f"{tmp_path}/socket:/run/daemon"]
        attack(own_rootfs, python(PROGRAM), volumes=volumes, namespaces=namespaces)
        assert daemon.accept()[0].recv(100) == b"the attacker's orders"

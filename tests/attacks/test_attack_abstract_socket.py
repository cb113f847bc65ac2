"""Abstract sockets of the host, reached through a network namespace that is shared (CVE-2020-15257).

They are names without a file, and no mount keeps anybody from them: they belong to the network namespace (unix(7)).
What defends: a network namespace of the container's own, which is the default. The twin is one without.
"""

import os
import socket

import pytest

pytestmark = pytest.mark.root

PROGRAM = """
import socket, sys
try:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect("\\0" + sys.argv[1])
        one.sendall(b"the attacker's")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("shared", [False, True])
def test_a_daemon_of_the_host_at_an_abstract_name(attack, own_rootfs, python, shared):
    name = f"labkit-attack-{os.getpid()}"
    kinds = ["pid", "ipc", "uts", "mount", "cgroup"] + ["network"] * (not shared)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(f"\0{name}")
        daemon.listen()
        daemon.setblocking(False)
        done = attack(own_rootfs, python(PROGRAM, name), volumes=python.volumes, namespaces=kinds)
        if shared:
            assert daemon.accept()[0].recv(100) == b"the attacker's"
        else:
            assert done.stdout == "Connection refused\n"
            with pytest.raises(BlockingIOError):
                daemon.accept()

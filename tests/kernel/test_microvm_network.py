"""A microVM on a bridge of labkit's, booted for real; under emulation each boot takes some seconds."""

import os
import re
import shutil
import signal
import subprocess

import pytest
from standing_host import HOST, ID, NEEDED, ask, ask_here, inside, running, state, web

from labkit.linux import tap
from labkit.runtimes.microvm import Microvm

pytestmark = [
    *NEEDED,
    pytest.mark.usefixtures("known_accelerator"),
    pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="no QEMU: apt-get install qemu-system-x86"),
    pytest.mark.skipif(not os.path.exists(tap.DEVICE), reason=f"{tap.DEVICE} is missing: modprobe tun"),
]

BRIDGED = ("--runtime", "microvm", "--network", "bridge")


def processes(role):
    """The processes of this role that the VM `web` has."""
    return [one.pid for one in Microvm().host_processes(f"{ID}-web") if one.role == role]


def test_a_vm_on_a_bridge_serves_and_is_served(host, rootfs, as_found):
    with web(host, rootfs, *BRIDGED, "--publish", "8080:80", "--hostname", "server"):
        link = host.run("ip", "-d", "link", "show", "lk0ad50002").stdout
        assert "master labkit0" in link
        assert re.search(r"\btun type tap\b.*persist off", link)
        # By its published port, from everywhere.
        assert host.run(*ask_here("127.0.0.1", 8080)).stdout == "hello\n"
        assert host.run(*ask_here(HOST, 8080)).stdout == "hello\n"
        assert host.outside(*ask_here(HOST, 8080)).stdout == "hello\n"
        assert "hello" not in host.outside(*ask_here("10.213.0.2")).stdout
        # By its names, from a container of the engine's.
        both = f"{ask('server')}; {ask(f'{ID}-web')}"
        assert inside(host, rootfs, both, "--network", "bridge").stdout == "hello\n" * 2
        # From another VM, which learns of a container that comes later.
        later = f"until grep -q {ID}-later /etc/hosts; do usleep 20000; done"
        script = f"{ask('server')}; {ask(HOST, 8080)}; {later}; {ask(f'{ID}-later', 81)}; ip -o -4 address show eth0"
        words = ["run", "--rootfs", str(rootfs), *BRIDGED, "--", "sh", "-c", script]
        with subprocess.Popen([*host.command, *words], stdout=subprocess.PIPE, text=True) as other:
            try:
                assert [other.stdout.readline() for _ in range(2)] == ["hello\n"] * 2
                with web(host, rootfs, "--network", "bridge", name="later", port=81):
                    assert other.stdout.readline() == "hello\n"
                    assert "10.213.0.3/24" in other.stdout.readline()
                assert other.wait(60) == 0
            finally:
                other.terminate()


def test_nothing_is_left_when_qemu_was_killed(host, rootfs, as_found):
    with web(host, rootfs, *BRIDGED, "--publish", "8080:80") as process:
        assert "lk0ad50002" in state(host)
        [qemu] = processes("hypervisor")
        os.kill(qemu, signal.SIGKILL)
        assert process.wait(60) == 125


def test_nothing_is_left_of_what_a_killed_labkit_had(host, rootfs, as_found):
    with web(host, rootfs, *BRIDGED, "--publish", "8080:80") as process:
        process.kill()
        process.wait()
        assert processes("hypervisor") != []
        assert "10.213.0.2:80" in state(host)
        assert host.labkit("gc").stdout == f"{ID}-web\n"
        assert processes("hypervisor") == []


def test_a_second_one_of_the_same_id_is_refused_and_the_first_keeps_its_address(host, rootfs, as_found):
    with running(host, rootfs, "web", "--network", "bridge"):
        before = state(host)
        # Of the engine's own, whose ids are others; a port that is not there ends it before it boots.
        words = ("--id", f"{ID}-web", *BRIDGED, "--publish", "192.0.2.77:8080:80")
        assert "no address 192.0.2.77" in inside(host, rootfs, "true", *words).stderr
        assert state(host) == before


def test_without_taps_it_is_one_line_with_a_hint_and_nothing_is_left(host, rootfs, as_found, command):
    hide = 'mount -t tmpfs none /dev/net && exec "$@"'
    words = ["run", "--rootfs", str(rootfs), *BRIDGED, "--", "true"]
    ended = host.run("unshare", "-m", "sh", "-c", hide, "sh", *command, *words)
    assert ended.returncode == 125
    [line] = ended.stderr.splitlines()
    assert line.startswith("microvm: /dev/net/tun, by which a VM has a network: No such file or directory (")
    assert "modprobe tun" in line


@pytest.mark.parametrize(
    ("network", "words"),
    [("slirp", "the network slirp is of labkit's own engine"), ("host", "a VM cannot be in the host's network")],
)
def test_a_network_that_a_vm_cannot_have_is_refused(host, rootfs, as_found, network, words):
    ended = inside(host, rootfs, "true", "--runtime", "microvm", "--network", network)
    assert ended.returncode == 125
    assert words in ended.stderr

"""A network namespace that stands for the host in tests of networks: the machine's own interfaces are left alone.

It has a firewall of its own making, a run folder of its own, and a neighbour outside.
"""

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from labkit.linux.rundir import rundir

PROGRAMS = [
    pytest.mark.skipif(shutil.which("ip") is None, reason="ip is missing: sudo apt-get install iproute2"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="nft is missing: sudo apt-get install nftables"),
]
NEEDED = [pytest.mark.root, *PROGRAMS]

HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
OWN_RULES = 'table inet own { chain input { type filter hook input priority 0; iifname "none" drop; }; }'
SERVE = "mkdir /www && echo hello > /www/index.html && httpd -p {port} -h /www && echo up && exec sleep 1000"
# Which of the tests it is that makes a container is in its name: cgroups are the machine's.
ID = f"labkit-test-{os.getpid()}"


def holder(*command):
    """A process in a network namespace of its own, which is there when it says so."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture(scope="module")
def host(command):
    """What stands for the host: run(…) runs a program there, outside(…) one at the neighbour, labkit(…) labkit."""
    os.makedirs("/run/labkit", 0o711, exist_ok=True)
    script = "mount -t tmpfs none /run/labkit && ip link set lo up && echo ready && exec cat"
    one = holder("unshare", "-n", "-m", "sh", "-c", script)
    other = holder("unshare", "-n", "sh", "-c", "ip link set lo up && echo ready && exec cat")
    enter = ["nsenter", "-t", str(one.pid), "-n", "-m"]

    def run(*words, **options):
        options = {"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL} | options
        return subprocess.run([*enter, *map(str, words)], **options)

    def outside(*words):
        return subprocess.run(
            ["nsenter", "-t", str(other.pid), "-n", *words], capture_output=True, text=True, timeout=60
        )

    def ip(where, *words):
        done = where("ip", *words)
        assert done.returncode == 0, done.stderr

    ip(run, "link", "add", "up0", "type", "veth", "peer", "name", "up1", "netns", str(other.pid))
    ip(run, "address", "add", f"{HOST}/24", "dev", "up0")
    ip(run, "link", "set", "up0", "up")
    ip(run, "route", "add", "default", "via", OUTSIDE)
    ip(outside, "address", "add", f"{OUTSIDE}/24", "dev", "up1")
    ip(outside, "link", "set", "up1", "up")
    # The way that a neighbour who knows labkit's networks would try.
    ip(outside, "route", "add", "10.213.0.0/16", "via", HOST)
    assert run("nft", OWN_RULES).returncode == 0
    yield SimpleNamespace(
        run=run, outside=outside, labkit=lambda *words, **options: run(*command, *words, **options),
        command=[*enter, *command], pid=one.pid, neighbour=other.pid,
    )  # fmt: skip
    for process in (one, other):
        process.communicate("")


def state(host):
    """What labkit must leave as it was: the firewall, forwarding, interfaces, and notes of leases."""
    shown = host.run(
        "sh", "-c", "nft list ruleset; cat /proc/sys/net/ipv4/ip_forward; ip -o link; ls -I lock /run/labkit/network"
    )
    return re.sub(r"state \S+", "", shown.stdout)


@pytest.fixture
def as_found(host):
    """The host's state from before the test, which it must have again afterwards."""
    host.labkit("gc")
    before = state(host)
    assert "table inet own" in before
    yield before
    assert state(host) == before


@pytest.fixture(scope="module")
def known_accelerator(host):
    """What stands for the host has a run folder of its own; whether KVM works is known from the machine's."""
    path = f"{rundir('vm')}/accelerator"
    if os.path.exists(path):
        with open(path) as file:
            host.run("sh", "-c", f"mkdir -p {rundir('vm')} && cat >{path}", stdin=None, input=file.read())


@contextmanager
def running(host, rootfs, name, *options, script="echo up && exec sleep 1000"):
    """A container that has said `up`; its id is ID-NAME."""
    words = ["run", "--rootfs", str(rootfs), "--id", f"{ID}-{name}", *options, "--", "sh", "-c", script]
    process = subprocess.Popen([*host.command, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def web(host, rootfs, *options, name="web", port=80):
    return running(host, rootfs, name, *options, script=SERVE.format(port=port))


def ask(address, port=80):
    """A command of busybox's shell that asks the server of `web`, for two seconds at most."""
    return f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} {port} | tail -n 1"


def ask_here(address, port=80):
    """The same for a program of the host's."""
    return "sh", "-c", ask(address, port).replace("| nc", "| busybox nc")


def inside(host, rootfs, script, *options):
    return host.labkit("run", "--rootfs", rootfs, *options, "--", "sh", "-c", script)

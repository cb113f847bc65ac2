"""Namespaces that exist already and are joined by path."""

import os
import subprocess

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import SpecError, StepError
from labkit.linux.namespaces import NAMESPACES
from labkit.spec.model import IdMapping, Namespace

pytestmark = pytest.mark.root

KINDS = ("network", "ipc", "uts", "cgroup", "pid", "time")
FLAGS = {"network": "-n", "ipc": "-i", "uts": "-u", "cgroup": "-C", "pid": "-p", "time": "-T"}


@pytest.fixture
def owner():
    """A process with one new namespace of each kind; its first child is the init of the pid namespace."""
    command = ["unshare", *FLAGS.values(), "--fork", "--kill-child", "sh", "-c", "echo ready; exec cat"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        yield int(file.read())
    process.stdin.close()
    process.stdout.close()
    process.wait(60)


def namespaces(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{NAMESPACES[kind][1]}") for kind in KINDS}


def joined(rootfs, owner, kinds, args, user=False):
    spec = configure(str(rootfs), args)
    spec.hostname = ""
    others = [n for n in spec.linux.namespaces if n.kind not in kinds]
    entries = [Namespace(kind=kind, path=f"/proc/{owner}/ns/{NAMESPACES[kind][1]}") for kind in kinds]
    spec.linux.namespaces = (*others, *entries)
    if user:
        spec.linux.namespaces += (Namespace(kind="user"),)
        # These show an ipc and a cgroup namespace, and may be mounted by the user namespace that owns it.
        spec.mounts = tuple(mount for mount in spec.mounts if mount.kind not in ("mqueue", "cgroup"))
        spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    return Container.from_spec(spec)


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("kinds", [*[(kind,) for kind in KINDS], KINDS])
def test_the_program_is_in_the_namespaces_joined_and_in_new_others(rootfs, owner, kinds, user):
    ours = namespaces("self")
    inside, outside = os.pipe()
    with joined(rootfs, owner, kinds, ["cat"], user) as container:
        container.start(inside)
        os.close(inside)
        found, theirs = namespaces(container.pid), namespaces(owner)
        assert {kind: found[kind] for kind in kinds} == {kind: theirs[kind] for kind in kinds}
        new = [kind for kind in KINDS if kind not in kinds and kind != "time"]
        assert all(found[kind] not in (theirs[kind], ours[kind]) for kind in new)
        os.close(outside)
        assert container.wait(60) == 0


def test_the_next_container_is_in_none_of_them(rootfs, owner):
    assert joined(rootfs, owner, KINDS, ["true"]).run(timeout=60).exit_status == 0
    theirs = namespaces(owner)
    spec = configure(str(rootfs), ["cat"], namespaces=["mount"])
    inside, outside = os.pipe()
    with Container.from_spec(spec) as container:
        container.start(inside)
        os.close(inside)
        found = namespaces(container.pid)
        os.close(outside)
        container.wait(60)
    assert found == namespaces("self")
    assert not set(found.values()) & set(theirs.values())


def test_the_processes_of_a_joined_pid_namespace_are_seen(rootfs, owner):
    text = joined(rootfs, owner, ("pid",), ["sh", "-c", "echo $$; cat /proc/1/comm"]).run(timeout=60).text
    number, init = text.split()
    assert int(number) > 1
    assert init == "cat"


def test_nothing_is_left_of_a_namespace_joined_when_the_container_could_not_be_made(rootfs, owner):
    container = joined(rootfs, owner, KINDS, ["/no/such"])
    with pytest.raises(StepError):
        container.run(timeout=60)
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0


@pytest.mark.parametrize(
    ("path", "word"), [("/proc/self/ns/net", "no uts namespace"), ("/dev/null", "no uts namespace"), ("/no", "No such")]
)
def test_a_path_that_is_no_such_namespace_is_refused_before_anything_is_made(rootfs, path, word):
    spec = configure(str(rootfs), ["true"])
    spec.linux.namespaces = (*[n for n in spec.linux.namespaces if n.kind != "uts"], Namespace(kind="uts", path=path))
    with pytest.raises(SpecError, match=word) as caught:
        Container.from_spec(spec)
    assert caught.value.pointer == f"/linux/namespaces/{len(spec.linux.namespaces) - 1}/path"


def test_no_parameter_is_set_in_the_hosts_namespace(rootfs):
    spec = configure(str(rootfs), ["true"])
    others = [n for n in spec.linux.namespaces if n.kind != "network"]
    spec.linux.namespaces = (*others, Namespace(kind="network", path="/proc/self/ns/net"))
    spec.linux.sysctl = {"net.ipv4.ip_forward": "1"}
    with pytest.raises(SpecError, match="would change the host") as caught:
        Container.from_spec(spec)
    assert caught.value.pointer == "/linux/sysctl/net.ipv4.ip_forward"


def test_the_hosts_own_network_can_be_joined(rootfs):
    spec = configure(str(rootfs), ["ls", "-l", "/proc/self/ns"])
    others = [n for n in spec.linux.namespaces if n.kind != "network"]
    spec.linux.namespaces = (*others, Namespace(kind="network", path="/proc/self/ns/net"))
    assert os.readlink("/proc/self/ns/net") in Container.from_spec(spec).run(timeout=60).text

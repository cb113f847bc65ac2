"""A hundred containers alive at once, from one Python process."""

import contextlib
import os
import threading

import pytest

from labkit import Container
from labkit.engine import state
from labkit.linux.proc import read_file
from labkit.workloads.density import pss

pytestmark = pytest.mark.root

MANY = 100
MOST_MEMORY = 20_000_000


def parent(pid):
    return int(read_file(f"/proc/{pid}/stat").rpartition(")")[2].split()[1])


def children(pid):
    return {int(word) for word in read_file(f"/proc/{pid}/task/{pid}/children").split()}


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def spawner(rootfs):
    """The process that makes this one's containers, which one of them has started."""
    with Container(rootfs, ["sleep", "60"]).start() as first:
        found = parent(first.pid)
    assert children(found) == set()
    return found


def test_no_helper_for_each_little_memory_and_nothing_left(rootfs, spawner):
    mine, threads = descriptors("self"), threading.active_count()
    its = descriptors(spawner)
    own = children(os.getpid())
    with contextlib.ExitStack() as stack:
        alive = [
            stack.enter_context(Container(rootfs, ["sleep", "600"], pids=10, memory="16M").start()) for _ in range(MANY)
        ]
        assert children(spawner) == {container.pid for container in alive}
        assert all(children(container.pid) == set() for container in alive)
        assert (children(os.getpid()), threading.active_count()) == (own, threads)
        assert pss(spawner) < MOST_MEMORY
        assert {container.status for container in alive} == {"running"}
        cgroups = [cgroup for one in alive for cgroup in state.load(one.id, state.root()).cgroups]
        assert len(cgroups) >= MANY
        assert alive[MANY // 2].exec(["echo", "here"]).text == "here\n"
        for container in alive:
            container.kill()
        assert {container.wait(timeout=60) for container in alive} == {128 + 9}
    assert not any(map(os.path.exists, cgroups))
    assert not {container.id for container in alive} & set(os.listdir(state.root()))
    assert children(spawner) == set()
    assert (descriptors("self"), descriptors(spawner)) == (mine, its)

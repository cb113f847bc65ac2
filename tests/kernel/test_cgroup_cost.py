"""A container's cgroups without the container, as the benchmark measures them."""

import os

import pytest

from labkit.cgroups import processes, statistics
from labkit.cgroups.alone import Alone
from labkit.cgroups.detect import detect
from labkit.errors import LabkitError
from labkit.spec.model import Cpu, Memory, Pids, Resources
from labkit.workloads import cgroups

pytestmark = pytest.mark.root

LIMITED = Resources(memory=Memory(limit=2**26), cpu=Cpu(quota=50_000), pids=Pids(limit=9))


def id(name):
    return f"test-{name}-{os.getpid()}"


def left(name):
    return [f"{h.path}/labkit-{name}" for h in detect().hierarchies if os.path.exists(f"{h.path}/labkit-{name}")]


def test_cgroups_are_made_entered_and_removed():
    alone = Alone(LIMITED, id("alone"))
    try:
        alone.make()
        assert alone.enter() >= 0
        (pid,) = processes.pids(alone.folders)
        assert all(processes.pids([folder]) == [pid] for folder in alone.folders)
        assert statistics.read(alone.folders)["pids"]["limit"] == 9
    finally:
        alone.remove()
    assert not left(id("alone"))


def test_what_was_made_only_in_part_is_removed():
    alone = Alone(Resources(cpu=Cpu(cpus="4000")), id("part"))
    try:
        with pytest.raises(LabkitError, match=r"cpuset\.cpus"):
            alone.make()
        assert left(id("part"))
    finally:
        alone.remove()
    assert not left(id("part"))


@pytest.mark.parametrize("measure", [cgroups.life, cgroups.bare, cgroups.sampling])
def test_each_cost_is_measured_and_leaves_nothing(measure):
    name = id(measure.__name__)
    (found,) = measure(LIMITED, name)
    assert found.value > 0
    assert not left(name)
    assert not left(f"{name}-0")
    assert not left(f"{name}-2")


def test_the_process_that_measures_says_what_is_wrong_and_leaves_nothing():
    name = id("wrong")
    with pytest.raises(LabkitError, match=r"cpuset\.cpus"):
        cgroups.life(Resources(cpu=Cpu(cpus="4000")), name)
    assert not left(f"{name}-0")

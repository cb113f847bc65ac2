"""What the notebook on cgroups measures, on the smallest scale: the figures are the kernel's, and nothing is left."""

import os

import pytest

from labkit.cgroups.detect import detect
from labkit.errors import LabkitError
from labkit.nb import contention, disk, forks, memory, monitor, throttling, transfer, watch
from labkit.nb.limited import limited
from labkit.spec.model import Cpu, Pids

pytestmark = pytest.mark.root

MIB = 2**20


def need(*names):
    if not any(detect().of(name) for name in names):
        pytest.skip(f"this host has no cgroup controller {names[0]}")


def test_less_quota_is_less_cpu_time_and_less_speed(rootfs):
    need("cpu")
    curve = throttling.measure(rootfs, [0.1, 0.5], windows=2)
    assert len(curve) == 2 * 3
    medians = curve.groupby("asked", dropna=False)[["got", "throttled", "work"]].median()
    assert medians["got"].iloc[0] < medians["got"].iloc[-1]
    assert 0 <= medians["work"].iloc[0] < medians["work"].iloc[-1]
    assert medians["throttled"].iloc[0] > 0
    assert curve[curve["asked"].isna()]["throttled"].eq(0).all()


def test_cpu_time_never_runs_ahead_of_the_stairs(rootfs):
    need("cpu")
    steps = throttling.stairs(rootfs, 0.2, [0.02], seconds=0.2)
    assert steps["used"].is_monotonic_increasing
    assert 0 < steps["used"].iloc[-1] < 0.1


def test_the_heavier_of_two_gets_more_of_their_cpu(rootfs):
    need("cpu")
    need("cpuset")
    found = contention.measure(rootfs, [256, 4096], windows=2)
    light, heavy = found.groupby("shares")["got"].median()
    assert light < heavy
    assert list(found["expected"].unique()) == pytest.approx([0.2, 0.8], abs=0.01)
    assert set(found["window"]) == {0, 1}


def test_memory_is_seen_to_grow_to_its_limit_and_the_reason_is_known(rootfs):
    need("memory")
    growth = memory.grow(rootfs, "16M", seconds=0.5)
    assert (growth.status, growth.reason) == (137, "killed: out of memory, limit 16 MiB, peak 16 MiB")
    assert 4 * MIB < growth.samples["usage"].max() <= 16 * MIB
    assert set(growth.samples["limit"]) == {16 * MIB}


def test_a_bomb_stays_within_its_limit_while_the_host_goes_on(rootfs):
    need("pids")
    need("cpu")
    explosion = forks.explode(rootfs, 16, cpus=1, seconds=1, forks=3)
    assert explosion.samples["pids"].max() <= 16
    assert explosion.samples["refused"].iloc[-1] > 0
    assert len(explosion.during) == 3


def test_all_that_is_written_is_counted_and_a_limit_slows_it_down(rootfs):
    need("blkio", "io")
    try:
        with disk.folder_on_a_disk():
            pass
    except LabkitError as error:
        pytest.skip(error.message)
    found = transfer.measure(rootfs, ["4M", None], seconds=0.5)
    assert set(found.groupby("limit", dropna=False)["written"].max()) == {2 * MIB}
    rates = transfer.rates(found).set_index("limit")["rate"]
    # What may go at once, before the throttle begins to count, is on top.
    assert rates[4.0 * MIB] < 1.5 * 4 * MIB


def test_a_monitor_sees_what_a_container_uses_and_how_it_ended(rootfs):
    need("pids")
    with limited(rootfs, "exit 3", pids=Pids(limit=7), cpu=Cpu(quota=50_000, period=100_000)).start() as container:
        assert monitor.limits(container) == monitor.Limits(None, 0.5, 7)
        container.wait(30)
        assert monitor.status(container) == "It has ended with status 3."


@pytest.fixture
def shown(monkeypatch):
    """What watch() shows: figures and sentences."""
    found = []
    monkeypatch.setattr(watch, "show", lambda *parts: found.extend(parts))
    monkeypatch.setattr(watch, "say", lambda *parts: found.extend(parts))
    return found


def test_a_container_that_ends_at_once_is_seen_from_its_beginning(rootfs, shown):
    need("pids")
    with limited(rootfs, "exit 3", pids=Pids(limit=7)).create() as container:
        watch.watch(container, seconds=60)
        figure, seen, ended = shown
    assert [axes.get_ylabel() for axes in figure.axes][-1] == "processes"
    assert "1 process (at most 1, limit 7)" in seen
    assert ended == "It has ended with status 3."


def test_of_what_was_never_seen_there_are_words(rootfs, shown, monkeypatch):
    class Blind(watch.Sampler):
        def read(self):
            return {}

    monkeypatch.setattr(watch, "Sampler", Blind)
    with limited(rootfs, "exit 3").create() as container:
        watch.watch(container, seconds=60)
        container.wait(60)
        assert shown[0] == "Nothing was seen of the container."
        assert len(shown) == 2


def test_the_folders_of_a_running_container_are_there_and_those_of_one_that_ended_are_not(rootfs):
    with limited(rootfs, "sleep 60").start() as container:
        folders = container.cgroups
        assert folders
        assert all(str(container.pid) in open(f"{folder}/cgroup.procs").read().split() for folder in folders)
        container.kill()
        container.wait(30)
        with pytest.raises(LabkitError, match="has ended"):
            _ = container.cgroups


def test_a_named_cgroup_is_in_the_v2_tree_as_well(rootfs):
    unified = detect().v2()
    if unified is None:
        pytest.skip("no cgroup v2 tree is mounted")
    name = f"labkit-test-{os.getpid()}-named"
    with limited(rootfs, "sleep 60", cgroup=name).start() as container:
        assert any(folder.startswith(f"{unified.mount}/") and folder.endswith(name) for folder in container.cgroups)

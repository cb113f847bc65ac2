"""Limits that cannot be kept: one line that names the limit and its file, and no container that is limited in part."""

import os

import pytest

from labkit.cgroups import freeze, statistics
from labkit.cgroups.detect import detect
from labkit.cgroups.update import update
from labkit.engine import state
from labkit.errors import LabkitError
from labkit.linux.cgroupfs import remove_cgroup
from labkit.linux.proc import read_file
from labkit.spec.model import (
    BlockIo,
    Cpu,
    HugepageLimit,
    InterfacePriority,
    Memory,
    NetworkLimits,
    Pids,
    Rdma,
    Resources,
    Throttle,
)

pytestmark = pytest.mark.root

MIB = 2**20
GONE = (Throttle(major=4000, minor=1, rate=1),)


def text(error):
    assert "\n" not in str(error.value)
    return error.value.message


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"block_io": BlockIo(read_bps=GONE)}, "no block device 4000:1"),
        ({"unified": {"nosuch.max": "1"}}, "no controller 'nosuch'|not mounted"),
        ({"cpu": Cpu(cpus="4000")}, r"cpuset\.cpus cannot be set to 4000: the kernel does not take this value"),
        ({"cpu": Cpu(mems="60")}, r"cpuset\.mems cannot be set to 60: the kernel does not take this value"),
        ({"cpu": Cpu(quota=500)}, r"cpu\.(cfs_quota_us|max) cannot be set to 500( 100000)?: the kernel does not take"),
        ({"cpu": Cpu(period=2_000_000)}, r"cpu\.(cfs_period_us|max) cannot be set to (max )?2000000: the kernel does"),
        ({"cpu": Cpu(quota=-1, burst=2**62)}, r"(cpu\.cfs_burst_us|cpu\.max\.burst) cannot be set to"),
        ({"pids": Pids(limit=2**62)}, r"pids\.max cannot be set to"),
        ({"hugepages": (HugepageLimit(page_size="3MB", limit=1),)}, "no huge pages of 3MB"),
    ],
)
def test_a_limit_that_cannot_be_kept_leaves_nothing(limited, resources, words):
    id = f"test-{os.getpid()}"
    with pytest.raises(LabkitError, match=words) as caught:
        limited("true", id=id, **resources).run(timeout=60)
    assert text(caught)
    assert not any(os.path.exists(f"{hierarchy.path}/labkit-{id}") for hierarchy in detect().hierarchies)
    assert not os.path.exists(f"{state.root()}/{id}")


@pytest.mark.parametrize(
    ("controller", "resources", "file"),
    [
        ("net_cls", {"network": NetworkLimits(class_id=5)}, "net_cls.classid"),
        (
            *("net_prio", {"network": NetworkLimits(priorities=(InterfacePriority(name="lo", priority=1),))}),
            "net_prio.ifpriomap",
        ),
        ("rdma", {"rdma": {"mlx5_0": Rdma(hca_handles=2)}}, "rdma.max"),
    ],
)
def test_a_controller_that_the_host_lacks_is_named_with_the_file(limited, controller, resources, file):
    if detect().of(controller):
        pytest.skip(f"this host has the cgroup controller {controller}")
    words = f"{file} cannot be set to .*no cgroup here has the controller '{controller}'"
    with pytest.raises(LabkitError, match=words):
        limited("true", **resources).run(timeout=60)


def test_an_adapter_that_the_host_lacks_is_named(limited, need):
    need("rdma")
    with pytest.raises(LabkitError, match=r"rdma\.max cannot be set to mlx5_9 hca_handle=2: no such device"):
        limited("true", rdma={"mlx5_9": Rdma(hca_handles=2)}).run(timeout=60)


def test_too_little_memory_to_begin_with_is_said(limited, need):
    need("memory")
    with pytest.raises(LabkitError, match=r"memory.*too low|memory\.\S+ cannot be set to 4096"):
        limited("true", memory=Memory(limit=4096, swap=4096)).run(timeout=60)


def test_a_limit_below_what_is_in_use_is_refused_and_changes_nothing(limited, need, folders, talk, line):
    need("memory")
    # What a shell variable holds can be given back to nobody.
    script = """x=$(dd if=/dev/zero bs=1M count=24 2>/dev/null | tr '\\0' x); echo ready; read go; echo ${#x}"""
    with limited(script, memory=Memory(limit=256 * MIB, swap=256 * MIB)) as container:
        stdin, stdout = talk(container)
        assert line(stdout) == "ready"
        below = Memory(limit=8 * MIB, swap=8 * MIB, check_before_update=True)
        with pytest.raises(
            LabkitError, match=r"memory\.limit cannot be set to 8388608: .*/memory\.\w+ is \d+"
        ) as caught:
            update(folders(container), Resources(memory=below, pids=Pids(limit=3)))
        assert "checkBeforeUpdate" in caught.value.hint
        found = statistics.read(folders(container))
        assert (found["memory"]["usage"]["limit"], found["pids"]["limit"]) == (256 * MIB, 0)
        os.write(stdin, b"\n")
        assert line(stdout) == str(24 * MIB)


@pytest.fixture
def parent():
    """A cgroup in every tree, and the cgroupsPath of one in it."""
    name = f"labkit-test-parent-{os.getpid()}"
    folders = [f"{tree.mount}/{name}" for tree in detect().hierarchies if "name=" not in tree.controllers[:1]]
    for folder in folders:
        os.mkdir(folder)
    yield f"/{name}/box", folders
    for folder in folders:
        remove_cgroup(folder)


def test_a_parent_that_somebody_removes_meanwhile_is_named(limited, parent):
    path, folders = parent
    container = limited("true", path=path, pids=Pids(limit=9))
    assert container.plan.step_names()
    for folder in folders:
        remove_cgroup(folder)
    with pytest.raises(LabkitError, match="is gone") as caught:
        container.run(timeout=60)
    assert text(caught)
    assert not any(os.path.exists(folder) for folder in folders)


def test_a_cgroup_that_somebody_else_froze_is_left_alone(limited, parent):
    path, folders = parent
    boxes = [f"{folder}/box" for folder in folders]
    for box in boxes:
        os.mkdir(box)
    freeze.pause(boxes)
    with pytest.raises(LabkitError, match="unexpectedly frozen"):
        limited("true", path=path).run(timeout=60)
    assert freeze.is_frozen(boxes)
    assert all(os.path.isdir(box) for box in boxes)


def test_a_parent_with_processes_that_hands_nothing_down_is_named(limited, need, parent, inside):
    need("pids", version=2)
    path, folders = parent
    folder = next(one for one in folders if one.startswith(detect().v2().mount))
    process = inside(folder, "sleep", "60")
    while str(process.pid) not in read_file(f"{folder}/cgroup.procs").split():
        assert process.poll() is None
    with pytest.raises(LabkitError, match=rf"pids\.max cannot be set: {folder} has processes") as caught:
        limited("true", path=path, pids=Pids(limit=9)).run(timeout=60)
    assert text(caught)
    assert not os.path.exists(f"{folder}/box")

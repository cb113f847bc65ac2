import os

import pytest

from labkit.bench import account
from labkit.bench.account import PREFIX, Account
from labkit.cgroups.detect import Hierarchy, Layout


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A function that makes a tree of plain files, which is then the host's, and gives the trial's account in it."""

    def make(*kinds):
        hierarchies = []
        for version, name, controllers, files in kinds:
            mount = tmp_path / name
            folder = mount / f"{PREFIX}a"
            folder.mkdir(parents=True)
            for file, text in files.items():
                (folder / file).write_text(text)
            hierarchies.append(Hierarchy(version, str(mount), str(mount), controllers))
        layout = Layout(hierarchies)
        monkeypatch.setattr(account, "detect", lambda: layout)
        return Account("a")

    return make


CPU = {"cpuacct.usage": "3000000000\n", "cpuacct.usage_user": "1000000000\n", "cpuacct.usage_sys": "3000000000\n"}


def test_v2_has_microseconds(tree):
    made = tree(
        (2, "unified", ("memory",), {"cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n"})
    )
    assert made.cpu() == (1.0, 0.5)


def test_the_parts_of_v1_add_up_to_its_exact_sum(tree):
    assert tree((1, "cpuacct", ("cpuacct",), CPU)).cpu() == pytest.approx((0.75, 2.25))


def test_the_sum_is_exact_for_what_ran_for_less_than_a_tick(tree):
    short = {"cpuacct.usage": "2000000\n", "cpuacct.usage_user": "0\n", "cpuacct.usage_sys": "0\n"}
    assert sum(tree((1, "cpuacct", ("cpuacct",), short)).cpu()) == 0.002


@pytest.mark.parametrize(
    ("version", "files"),
    [
        (1, {"memory.max_usage_in_bytes": "4096\n", "memory.stat": "pgfault 1\ntotal_pgfault 7\n"}),
        (2, {"memory.peak": "4096\n", "memory.stat": "anon 5\npgfault 7\n"}),
    ],
)
def test_memory_and_faults_are_those_of_all_below(tree, version, files):
    found = {one.metric: (one.value, one.unit) for one in tree((version, "memory", ("memory",), files)).memory()}
    assert found == {"memory_peak": (4096, "bytes"), "page_faults": (7, "1")}


def test_a_kernel_without_the_peak_has_the_faults_alone(tree):
    made = tree((2, "unified", ("memory",), {"memory.stat": "pgfault 7\n"}))
    assert [one.metric for one in made.memory()] == ["page_faults"]


def test_a_host_without_the_memory_controller_has_no_such_figures(tree):
    assert tree((1, "cpuacct", ("cpuacct",), CPU)).memory() == []


def test_whatever_is_started_meanwhile_is_born_in_the_cgroup(tree):
    made = tree((1, "cpuacct", ("cpuacct",), {}), (1, "memory", ("memory",), {}))
    mounts = [hierarchy.mount for hierarchy in account.detect().hierarchies]
    for mount in mounts:
        os.makedirs(f"{mount}/{made.name}/harness")
        with open(f"{mount}/cgroup.procs", "w", encoding="ascii"):
            pass
    # The kernel takes 0 for whoever writes it.
    with made.entered():
        assert [open(f"{mount}/{made.name}/harness/cgroup.procs").read() for mount in mounts] == ["0", "0"]
        assert [open(f"{mount}/cgroup.procs").read() for mount in mounts] == ["", ""]
    assert [open(f"{mount}/cgroup.procs").read() for mount in mounts] == ["0", "0"]


def test_a_bundle_asks_for_a_cgroup_below_the_trial_s(tree):
    made = tree((1, "memory", ("memory",), {}))
    assert made.path == f"/{PREFIX}a/a"

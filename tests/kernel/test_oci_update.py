"""`labkit-oci update` on a container that runs: what the kernel's files say afterwards."""

import json
import math

import pytest

from labkit.cgroups.v2 import weight

pytestmark = pytest.mark.root

MIB = 2**20


@pytest.fixture
def sleeping(oci, kept):
    """A container that sleeps, limited in every way: a function that gives its limits, or some of them."""
    memory, cpu = {"limit": 32 * MIB}, {"shares": 100, "quota": 500_000, "period": 1_000_000}
    found = oci.run_detached("sleep", "60", memory=memory, cpu=cpu, pids={"limit": 20})

    def limits(*names):
        have = kept(found.cgroups)
        return [have[name] for name in names] if names else have

    return limits


def changed(oci, *words, **options):
    done = oci("update", oci.id, *words, **options)
    assert done.returncode == 0, done.stderr
    return done


def test_each_option_sets_its_limit_and_leaves_the_others(oci, sleeping):
    changed(oci, "--memory", "64M", "--cpu-share", "200", "--pids-limit", "10", "--cpuset-cpus", "0")
    assert sleeping("memory", "weight", "pids", "cpus") == [64 * MIB, weight(200), 10, "0"]
    assert sleeping("quota", "period") == [500_000, 1_000_000]
    changed(oci, "--cpu-period", "900000")
    assert sleeping("quota", "period") == [500_000, 900_000]
    changed(oci, "--cpu-quota=-1", "--pids-limit", "-1")
    assert sleeping("quota", "pids", "memory") == [math.inf, math.inf, 64 * MIB]


def test_swap_alone_is_measured_against_the_memory_limit_there_is(oci, sleeping):
    before = sleeping("swap")
    refused = oci("update", "--memory-swap", "16M", oci.id)
    assert refused.returncode == 1
    assert "invalid value for memory-swap: must be at least the memory limit" in refused.stderr
    assert sleeping("swap") == before
    changed(oci, "--memory-swap", "48M")
    assert sleeping("memory", "swap") == [32 * MIB, 48 * MIB]
    changed(oci, "--memory", "-1")
    assert sleeping("memory", "swap") == [math.inf, math.inf]


@pytest.mark.parametrize("source", ["-", "resources.json"])
def test_a_document_sets_what_it_has(oci, sleeping, tmp_path, source):
    text = json.dumps({"cpu": {"quota": 20_000, "period": 100_000, "cpus": "0"}, "pids": {"limit": 7}, "devices": None})
    (tmp_path / source).write_text(text)
    changed(oci, "--resources", source, input=text if source == "-" else "", cwd=tmp_path)
    assert sleeping("quota", "period", "cpus", "pids", "memory") == [20_000, 100_000, "0", 7, 32 * MIB]


def test_a_container_that_began_without_limits_gets_any_of_them_later(oci, kept, need):
    """On v2 too, where a controller must have been handed down when the cgroup was made (as runc does)."""
    need("cpuset")
    path = f"/{oci.id}-above/{oci.id}"
    found = oci.run_detached("sleep", "60", cgroups_path=path)
    changed(oci, "--cpuset-cpus", "0", "--cpuset-mems", "0", "--memory", "64M", "--pids-limit", "10")
    limits = kept(found.cgroups)
    assert (limits["cpus"], limits["mems"], limits["memory"], limits["pids"]) == ("0", "0", 64 * MIB, 10)


def test_kernel_memory_is_left_out_with_a_warning(oci, sleeping):
    done = changed(oci, "--kernel-memory", "16M", "--pids-limit", "9")
    assert 'level=warning msg="Kernel memory settings are ignored and will be removed"' in done.stderr
    assert sleeping("pids") == [9]


def test_a_paused_container_stays_paused(oci, sleeping):
    assert oci("pause", oci.id).returncode == 0
    changed(oci, "--pids-limit", "30")
    assert json.loads(oci("state", oci.id).stdout)["status"] == "paused"
    assert sleeping("pids") == [30]


def test_what_the_kernel_refuses_is_one_line_and_changes_nothing(oci, sleeping):
    done = oci("update", oci.id, "--pids-limit", "5", "--cpuset-cpus", "4000")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cpuset.cpus cannot be set to 4000" in done.stderr
    assert sleeping("pids") == [20]


def test_a_stopped_container_is_refused(oci, sleeping):
    assert oci("kill", oci.id, "KILL").returncode == 0
    while json.loads(oci("state", oci.id).stdout)["status"] != "stopped":
        pass
    done = oci("update", oci.id, "--pids-limit", "5")
    assert done.returncode == 1
    assert "container not running" in done.stderr


def test_a_container_that_does_not_exist_is_refused(oci):
    done = oci("update", "nobody", "--pids-limit", "5")
    assert done.returncode == 1
    assert "does not exist" in done.stderr

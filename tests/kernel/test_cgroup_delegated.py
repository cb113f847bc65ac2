"""An ordinary user to whom a cgroup was delegated limits containers (admin-guide/cgroup-v2.rst, Delegation)."""

import os
import subprocess

import pytest
from subordinate import GID, UID

from labkit.cgroups.detect import detect
from labkit.linux.cgroupfs import remove_cgroup

pytestmark = pytest.mark.root
CONTROLLERS = ("memory", "pids", "cpu")


@pytest.fixture
def delegated(user):
    """run(…): labkit as the user, begun in a cgroup whose parent was delegated to the user, as systemd does."""
    hierarchy = detect().v2()
    if hierarchy is None or not set(CONTROLLERS) <= set(hierarchy.controllers):
        pytest.skip("the controllers of this host are not on cgroup v2")
    # Root's own, which gives the user these controllers and no other.
    above = f"{hierarchy.mount}/labkit-test-{os.getpid()}"
    os.mkdir(above)
    for place in (hierarchy.mount, above):
        with open(f"{place}/cgroup.subtree_control", "w") as file:
            file.write(" ".join(f"+{name}" for name in CONTROLLERS))
    folder = f"{above}/user"
    shell = f"{folder}/shell"
    for place in (folder, shell):
        os.mkdir(place)
        for name in ("", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"):
            os.chown(f"{place}{name}", UID, GID)

    def run(*words):
        def join():
            with open(f"{shell}/cgroup.procs", "w") as file:
                file.write("0")
            user.become()

        options = user.options() | {"preexec_fn": join, "stdin": subprocess.DEVNULL, "capture_output": True}
        return subprocess.run(user.command("run", *words), timeout=120, **options)

    run.folder = folder
    yield run
    for place in (shell, folder, above):
        remove_cgroup(place)


@pytest.mark.parametrize("userns", [(), ("--userns", "auto")])
def test_limits_hold_and_are_seen_inside(delegated, own_rootfs, userns):
    limits = ("--memory", "32M", "--pids", "16", "--cpus", "0.5")
    script = "cd /sys/fs/cgroup && cat memory.max pids.max cpu.max; id -u"
    ended = delegated("--rootfs", own_rootfs, *limits, *userns, "--", "sh", "-c", script)
    assert ended.stderr == ""
    assert ended.stdout.split() == ["33554432", "16", "50000", "100000", "0"]
    assert os.listdir(delegated.folder).count("shell") == 1
    assert [name for name in os.listdir(delegated.folder) if name.startswith("labkit-")] == []


def test_the_container_has_every_controller_that_was_delegated_and_no_other(delegated, own_rootfs):
    ended = delegated("--rootfs", own_rootfs, "--pids", "16", "--", "cat", "/sys/fs/cgroup/cgroup.controllers")
    assert (sorted(ended.stdout.split()), ended.stderr) == (sorted(CONTROLLERS), "")


def test_who_takes_more_memory_is_killed_and_told_so(delegated, own_rootfs):
    ended = delegated("--rootfs", own_rootfs, "--memory", "16M", "--", "sh", "-c", "tail /dev/zero")
    assert ended.returncode == 137
    assert "out of memory, limit 16 MiB" in ended.stderr


def test_what_is_above_cannot_be_changed_from_inside(delegated, own_rootfs):
    script = "echo max > /sys/fs/cgroup/memory.max || echo refused"
    ended = delegated("--rootfs", own_rootfs, "--memory", "32M", "--userns", "auto", "--", "sh", "-c", script)
    assert ended.stdout == "refused\n"

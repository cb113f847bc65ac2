"""Limits that cgroups keep, seen to be kept."""

import os

import pytest

from labkit import Container
from labkit.cgroups.detect import detect
from labkit.engine.configure import configure

pytestmark = pytest.mark.root


def controller(name):
    hierarchy = detect().of(name)
    if hierarchy is None:
        pytest.skip(f"this host has no cgroup controller {name}")
    return hierarchy


def read(container, controller_name, file):
    """A file of the container's cgroup, found by the host's view of its process."""
    hierarchy = controller(controller_name)
    with open(f"/proc/{container.pid}/cgroup") as lines:
        for line in lines:
            _, names, path = line.rstrip("\n").split(":", 2)
            if (names.split(",") if names else []) == list(hierarchy.controllers if hierarchy.version == 1 else []):
                with open(f"{hierarchy.mount}{path}/{file}") as found:
                    return found.read().strip()
    raise AssertionError(f"the process is in no cgroup of {controller_name}")


def test_too_much_memory_ends_in_a_kill(rootfs):
    assert Container(rootfs, ["tail", "/dev/zero"], memory="32M").run(timeout=60).exit_status == 137


def test_what_is_written_to_the_root_counts_as_memory(rootfs):
    result = Container(rootfs, ["dd", "if=/dev/zero", "of=/big", "bs=1M", "count=100"], memory="32M").run(timeout=60)
    assert result.exit_status != 0


def test_the_limits_are_in_the_kernels_files(rootfs):
    version = controller("memory").version
    with Container(rootfs, ["sleep", "60"], memory="64M", cpus=0.5, pids=20).start() as container:
        if version == 1:
            assert read(container, "memory", "memory.limit_in_bytes") == str(2**26)
            assert read(container, "cpu", "cpu.cfs_quota_us") == "50000"
            assert read(container, "cpu", "cpu.cfs_period_us") == "100000"
        else:
            assert read(container, "memory", "memory.max") == str(2**26)
            assert read(container, "cpu", "cpu.max") == "50000 100000"
        assert read(container, "pids", "pids.max") == "20"
        assert str(container.pid) in read(container, "pids", "cgroup.procs").split()


def test_a_fork_bomb_stops_at_the_limit(rootfs):
    controller("pids")
    script = "i=0; while [ $i -lt 30 ]; do sleep 60 & i=$((i+1)); done; echo all"
    result = Container(rootfs, ["sh", "-c", script], pids=10).run(timeout=60)
    assert "all" not in result.text
    assert b"can't fork" in result.stderr


def test_cgroups_that_a_path_names_go_with_the_container_and_not_before_the_last(rootfs):
    hierarchy = controller("pids")
    spec = configure(str(rootfs), ["sleep", "60"])
    specs = []
    for name in ("one", "two"):
        spec.linux.cgroups_path = f"/labkit-test-{os.getpid()}/{name}"
        specs.append(type(spec).load(spec.dump(), ""))
    shared = f"{hierarchy.mount}/labkit-test-{os.getpid()}"
    with Container.from_spec(specs[1]) as second:
        with Container.from_spec(specs[0]).start():
            second.start()
            assert sorted(n for n in os.listdir(shared) if os.path.isdir(f"{shared}/{n}")) == ["one", "two"]
        # The first made the shared cgroup and is gone; the second must not have been killed with it.
        assert os.path.isdir(f"{shared}/two")
        assert os.path.exists(f"/proc/{second.pid}/root")
    os.rmdir(shared) if os.path.isdir(shared) else None
    for other in detect().hierarchies:
        left = f"{other.mount}/labkit-test-{os.getpid()}"
        if os.path.isdir(left):
            os.rmdir(left)


def test_cgroups_made_inside_do_not_keep_the_container_from_going(rootfs):
    controller("pids")
    spec = configure(
        str(rootfs), ["mkdir", "-p", "/sys/fs/cgroup/pids/a/b"], capabilities=["SYS_ADMIN", "DAC_OVERRIDE"]
    )
    for mount in spec.mounts:
        if mount.kind == "cgroup":
            mount.options = tuple(option for option in mount.options if option != "ro")
    container = Container.from_spec(spec)
    result = container.run(timeout=60)
    assert (result.exit_status, result.stderr) == (0, b"")
    assert not any(f"labkit-{container.id}" in os.listdir(h.path) for h in detect().hierarchies)

"""Files that name a program which the kernel then runs on the host, as root: release_agent and core_pattern.

Nothing is written to them here: to open one for writing is the attack, and what follows needs no demonstration. What
defends: EnterCgroupNamespace, below whose root no cgroup has a release_agent; the mounts of cgroups, which are
read-only, and stay so where the container has no cgroup of its own (labkit/plan/filesystems.py); ReadonlyPath.
"""

import os

import pytest

from labkit.cgroups.detect import Layout, detect
from labkit.engine.configure import configure

pytestmark = pytest.mark.root

# O_APPEND without a byte: the file stays as it is.
OPEN = "for file in %s; do if true >> $file; then echo $file; fi; done 2>/dev/null"


def opened(attack, spec, files, **weaker):
    spec.process.args = ("sh", "-c", OPEN % files)
    return attack(spec, **weaker).stdout.split()


def test_core_pattern(attack, own_rootfs):
    spec = configure(str(own_rootfs), ["sh"])
    files = "/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe"
    assert opened(attack, spec, files) == []
    assert "/proc/sys/kernel/core_pattern" in opened(attack, spec, files, without=["ReadonlyPath"])


def test_what_acts_on_the_host_at_once(attack, own_rootfs):
    spec = configure(str(own_rootfs), ["sh"])
    files = [file for file in ("/proc/sysrq-trigger", "/proc/irq/default_smp_affinity") if os.path.exists(file)]
    assert files
    assert opened(attack, spec, " ".join(files)) == []
    assert opened(attack, spec, " ".join(files), without=["ReadonlyPath"]) == files


def test_helpers_of_sysfs(attack, own_rootfs):
    spec = configure(str(own_rootfs), ["sh"])
    (file,) = [name for name in ("/sys/kernel/uevent_helper", "/sys/kernel/profiling") if os.path.exists(name)][:1]
    assert opened(attack, spec, file) == []
    sysfs = next(mount for mount in spec.mounts if mount.kind == "sysfs")
    sysfs.options = tuple(option for option in sysfs.options if option != "ro")
    assert opened(attack, spec, file) == [file]


def test_release_agent(attack, own_rootfs):
    """In a container that may even write to its cgroups."""
    agents = [place.mount for place in detect().hierarchies if os.path.exists(f"{place.mount}/release_agent")]
    if not agents:
        pytest.skip("this host has no cgroup v1 hierarchy, which alone have release_agent")
    spec = configure(str(own_rootfs), ["sh"])
    cgroups = next(mount for mount in spec.mounts if mount.kind == "cgroup")
    files = "/sys/fs/cgroup/*/release_agent"
    assert opened(attack, spec, files) == []
    cgroups.options = tuple(option for option in cgroups.options if option != "ro")
    assert opened(attack, spec, files) == []
    assert opened(attack, spec, files, without=["EnterCgroupNamespace"])


@pytest.mark.parametrize("weaker", [False, True])
def test_nor_in_a_tree_where_the_container_has_no_cgroup(attack, own_rootfs, monkeypatch, weaker):
    """Its namespace begins there where the engine is: at the root, most likely."""
    trees = [one for one in detect().hierarchies if one.controllers[:1] == ("name=systemd",) and one.path == one.mount]
    if not trees:
        pytest.skip("this host has no cgroup v1 hierarchy without a controller in whose root this process is")
    if weaker:
        everywhere = {os.path.basename(one.mount): one.mount for one in detect().hierarchies}
        monkeypatch.setattr(Layout, "named", lambda *about: everywhere)
    spec = configure(str(own_rootfs), ["sh"])
    cgroups = next(mount for mount in spec.mounts if mount.kind == "cgroup")
    cgroups.options = tuple(option for option in cgroups.options if option != "ro")
    file = f"/sys/fs/cgroup/{os.path.basename(trees[0].mount)}/release_agent"
    assert opened(attack, spec, file) == ([file] if weaker else [])

"""Device nodes: on a mounted volume, or made by the container's root, who may (CAP_MKNOD is in the default set).

The node is of a block device that this host does not have, so that nothing can be read: the kernel's answer says how
far the attacker came. What defends: the volume's mount, with nodev (labkit/engine/configure.py); and the cgroup's rules
for devices, which hold wherever a node lies (labkit/cgroups/devices.py).
"""

import os

import pytest

from labkit.engine.configure import configure

pytestmark = pytest.mark.root

# "Local/experimental use" of Documentation/admin-guide/devices.txt.
NUMBER = (240, 77)


@pytest.fixture
def volume(tmp_path):
    """A folder with nodes of /dev/zero's kind, which every container may open, and of the block device."""
    (tmp_path / "volume").mkdir()
    os.mknod(tmp_path / "volume/zero", 0o20666, os.makedev(1, 5))
    os.mknod(tmp_path / "volume/disk", 0o60666, os.makedev(*NUMBER))
    return tmp_path / "volume"


def errors(result):
    return result.stderr.strip().rpartition(": ")[2]


def test_a_node_on_a_volume(attack, own_rootfs, volume):
    spec = configure(str(own_rootfs), ["head", "-c", "1", "/v/zero"], volumes=[f"{volume}:/v"])
    assert errors(attack(spec)) == "Permission denied"
    spec.mounts[-1].options = tuple(option for option in spec.mounts[-1].options if option != "rnodev")
    assert attack(spec).stdout == "\0"


def test_a_node_of_a_disk(attack, own_rootfs, volume):
    spec = configure(str(own_rootfs), ["head", "-c", "1", "/v/disk"], volumes=[f"{volume}:/v"])
    spec.mounts[-1].options = ("rbind",)
    assert errors(attack(spec)) == "Operation not permitted"
    assert errors(attack(spec, limits=False)) == "No such device or address"


def test_a_node_made_inside(attack, own_rootfs):
    script = f"mknod /tmp/disk b {NUMBER[0]} {NUMBER[1]} && head -c 1 /tmp/disk"
    spec = configure(str(own_rootfs), ["sh", "-c", script])
    assert errors(attack(spec)) == "Operation not permitted"
    # The root is not mounted nodev: there a node is as good as the device.
    assert errors(attack(spec, limits=False)) == "No such device or address"

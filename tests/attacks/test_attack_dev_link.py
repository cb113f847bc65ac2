"""An image whose /dev is a symbolic link: to a folder of the host, or to one of its own (CVE-2021-30465's class).

The engine makes device nodes, links and files there, as root. What defends: all of them are made below the descriptor
that openat2 with RESOLVE_IN_ROOT has given (labkit/plan/devices.py, labkit/linux/paths.py), so a link counts from the
container's root.
"""

import os
import shutil

import pytest

from labkit.engine.configure import configure
from labkit.linux import kernel
from labkit.spec.model import Device

pytestmark = pytest.mark.root


def by_path(rootfs):
    """As engines did before: the path below the root, with all the links in it."""

    def found(root, path, folder):
        if path == "/dev":
            return os.open(f"{rootfs}{path}", os.O_PATH | os.O_CLOEXEC)
        return kernel.open_or_make(root, path, folder)

    return {"open_or_make": found}


@pytest.fixture
def with_link(own_rootfs, canary):
    """The configuration for an image whose /dev is a link to the canary's folder, and has nothing mounted on it."""
    shutil.rmtree(own_rootfs / "dev")
    (own_rootfs / "dev").symlink_to(canary.parent)
    spec = configure(str(own_rootfs), ["ls", "/dev/"], overlay=False)
    spec.mounts = tuple(mount for mount in spec.mounts if not mount.destination.startswith("/dev"))
    spec.linux.masked_paths = ()
    spec.linux.devices = (Device(kind="c", path="/dev/made", major=1, minor=3, mode=0o666),)
    return spec


def test_what_is_made_in_dev_is_made_inside(attack, own_rootfs, with_link, canary):
    done = attack(with_link)
    assert done.stdout.split() == ["made"]
    assert os.listdir(canary.parent) == ["canary"]
    # The link's target was made as well, below the root.
    assert os.listdir(f"{own_rootfs}{canary.parent}") == ["made"]


def test_by_path_it_is_made_outside(attack, own_rootfs, with_link, canary):
    attack(with_link, calls=by_path(own_rootfs))
    assert sorted(os.listdir(canary.parent)) == ["canary", "made"]


def test_what_is_mounted_on_it_is_mounted_inside(attack, own_rootfs, canary):
    shutil.rmtree(own_rootfs / "dev")
    (own_rootfs / "dev").symlink_to("/proc")
    done = attack(own_rootfs, ["sh", "-c", "ls /dev/null /proc/null; cat /proc/self/comm"])
    # An image that covers its own /proc has none; nothing else becomes of it.
    assert done.stdout.split() == ["/dev/null", "/proc/null"]
    assert os.listdir(canary.parent) == ["canary"]

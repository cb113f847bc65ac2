"""A mount's destination that leads out of the root, or is exchanged while it is looked at (CVE-2021-30465).

The attacker has a part of the destination's path in hand, in the image or on a volume that two containers share, and
makes it a symbolic link to a place of the host. What defends: the path is resolved once, by openat2 with
RESOLVE_IN_ROOT, and the mount is attached to that very descriptor (labkit/linux/paths.py, mount.move_mount).
"""

import contextlib
import ctypes
import os

import pytest
from weakened import insert

from labkit.errors import StepError
from labkit.linux import kernel
from labkit.linux.descriptors import readable
from labkit.linux.mount import mount_at
from labkit.plan.mounts import PivotRoot

pytestmark = pytest.mark.root


@pytest.fixture
def given(tmp_path):
    """What the attacker has mounted."""
    (tmp_path / "given").mkdir()
    (tmp_path / "given/canary").write_text("the attacker's")
    return tmp_path / "given"


def canary_before_pivot(canary, seen):
    """For `steps`: look, while the host's tree is there, at what lies at the canary's path."""

    def look(scene):
        os.write(seen, canary.read_bytes())

    return insert(PivotRoot, look)


@pytest.fixture
def seen():
    file = os.memfd_create("seen", os.MFD_CLOEXEC)
    yield file
    os.close(file)


def by_path(root, path, *_):
    """As engines did before openat2: the path is looked up below the root's, by whoever asks."""
    return os.open(os.readlink(f"/proc/self/fd/{root}") + path, os.O_PATH | os.O_CLOEXEC)


@pytest.mark.parametrize("weaker", [False, True])
def test_a_link_of_the_image(attack, own_rootfs, canary, given, seen, weaker):
    (own_rootfs / "data").symlink_to(canary.parent)
    attack(
        own_rootfs,
        ["true"],
        overlay=False,
        volumes=[f"{given}:/data"],
        steps=canary_before_pivot(canary, seen),
        kept=[seen],
        calls={"open_or_make": lambda *about: (by_path if about[1] == "/data" else kernel.open_or_make)(*about)}
        if weaker
        else None,
    )
    # Mounted over the host's folder, it is what the engine itself would find there from then on.
    assert os.pread(seen, 100, 0) == (b"the attacker's" if weaker else b"the host's")
    assert canary.read_text() == "the host's"


@pytest.mark.parametrize("weaker", [False, True])
def test_a_folder_exchanged_for_a_link_after_it_was_looked_at(attack, own_rootfs, canary, given, seen, weaker):
    (own_rootfs / "data").mkdir()

    def exchange():
        (own_rootfs / "data").rename(own_rootfs / "moved")
        (own_rootfs / "data").symlink_to(canary.parent)

    def looked_at(root, path, folder):
        place = kernel.open_or_make(root, path, folder)
        if path == "/data":
            exchange()
        return place

    def attached(mount, place, path=None):
        if weaker and path == "/data":
            # As mount(2) does, which follows links.
            mount_at(os.path.realpath(f"{own_rootfs}{path}"), mount)
        else:
            kernel.move_mount(mount, place, path)

    done = attack(
        own_rootfs,
        ["cat", "/moved/canary"],
        overlay=False,
        volumes=[f"{given}:/data"],
        steps=canary_before_pivot(canary, seen),
        kept=[seen],
        calls={"open_or_make": looked_at, "move_mount": attached},
    )
    assert os.pread(seen, 100, 0) == (b"the attacker's" if weaker else b"the host's")
    # It lies where the destination was when it was resolved, whatever that is called by now.
    assert done.stdout == ("" if weaker else "the attacker's")


def test_however_often_it_is_exchanged(attack, own_rootfs, canary, given, seen):
    """A race as it really is, for a bounded number of rounds: none ends outside."""
    (own_rootfs / "data").mkdir()
    (own_rootfs / "link").symlink_to(canary.parent)
    stop, stopped = os.pipe2(os.O_CLOEXEC)
    attacker = os.fork()
    if attacker == 0:
        os.close(stopped)
        exchange_until_closed(own_rootfs, stop)
    try:
        for _ in range(10):
            with contextlib.suppress(StepError):  # Refused is as good.
                attack(
                    own_rootfs,
                    ["true"],
                    overlay=False,
                    volumes=[f"{given}:/data"],
                    steps=canary_before_pivot(canary, seen),
                    kept=[seen],
                )
        found = os.pread(seen, 1000, 0)
        assert found
        assert b"the attacker's" not in found
    finally:
        os.close(stopped)
        os.close(stop)
        assert os.waitpid(attacker, 0)[1] == 0


def exchange_until_closed(rootfs, stop):
    """`data` is a folder and a link in turn, as fast as this can be (renameat2(2), RENAME_EXCHANGE)."""
    status = 1
    try:
        os.chdir(rootfs)
        exchange = ctypes.CDLL(None).renameat2
        while not readable(stop, 0):
            for _ in range(100):
                assert exchange(-100, b"data", -100, b"link", 2) == 0
        status = 0
    finally:
        os._exit(status)

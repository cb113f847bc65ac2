"""A mask or a console that is a file of the image's choice (CVE-2025-31133, CVE-2025-52565).

The image has a link for /dev/null, which engines bind over what they mask: then the file that it leads to lies there,
writable. Or it has one in place of the terminal's slave, which is bound to /dev/console. What defends: MaskPath binds
nothing but the null device, by the descriptor that it has looked at; the slave is opened through its master.
"""

import os
import shutil
import socket

import pytest
from weakened import replace

from labkit.engine.configure import configure
from labkit.errors import StepError
from labkit.linux import terminal
from labkit.linux.descriptors import receive_descriptor
from labkit.plan.mounts import MaskPath

pytestmark = pytest.mark.root


class WithAnything(MaskPath):
    """As engines did before."""

    __slots__ = ()

    def _nothing(self, scene, folder):
        if folder:
            return super()._nothing(scene, folder)
        return scene.kernel.open_tree(scene.kernel.openat2(scene.root, "/dev/null"), False)


@pytest.fixture
def own_dev(own_rootfs):
    """The root filesystem, whose /dev is the image's own."""

    def spec(*command, **options):
        made = configure(str(own_rootfs), command, overlay=False, **options)
        made.mounts = tuple(mount for mount in made.mounts if not mount.destination.startswith("/dev"))
        return made

    return own_rootfs, spec


def test_a_mask_is_the_null_device(attack, own_dev, tmp_path):
    """What lies over the mask stands for a file such as /proc/sys/kernel/core_pattern."""
    rootfs, spec = own_dev
    (tmp_path / "standin").write_text("as it was")
    (rootfs / "standin").touch()
    (rootfs / "dev/null").symlink_to("/standin")
    script = "echo changed > /proc/timer_list"
    made = spec("sh", "-c", script, volumes=[f"{tmp_path}/standin:/standin"])
    with pytest.raises(StepError, match="/dev/null in the container is not the null device"):
        attack(made)
    assert (tmp_path / "standin").read_text() == "as it was"
    assert attack(made, steps=replace(MaskPath, WithAnything)).status == 0
    assert (tmp_path / "standin").read_text() == "changed\n"


def test_a_null_device_of_the_image_will_do(attack, own_dev):
    rootfs, spec = own_dev
    os.mknod(rootfs / "dev/null", 0o20666, os.makedev(1, 3))
    assert attack(spec("cat", "/proc/timer_list")).stdout == ""


def by_name(master):
    """As engines did before: by its path in the container."""
    _, name = terminal.open_slave(master)
    return os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC), name


@pytest.mark.parametrize("weaker", [False, True])
def test_the_console_is_the_terminals_slave(attack, own_rootfs, tmp_path, weaker):
    """The terminals of the container are at /pts, and its /dev/pts is what the image wants them to be."""
    (tmp_path / "standin").write_text("as it was")
    (own_rootfs / "standin").touch()
    spec = configure(
        str(own_rootfs),
        ["sh", "-c", "head -c 6 /dev/console > /took"],
        overlay=False,
        terminal=True,
        volumes=[f"{tmp_path}/standin:/standin"],
    )
    shutil.rmtree(own_rootfs / "dev")
    (own_rootfs / "dev/pts").mkdir(parents=True)
    (own_rootfs / "dev/pts/0").symlink_to("/standin")
    (own_rootfs / "dev/ptmx").symlink_to("/pts/ptmx")
    os.mknod(own_rootfs / "dev/null", 0o20666, os.makedev(1, 3))
    spec.mounts = tuple(mount for mount in spec.mounts if mount.kind == "devpts" or mount.destination[:4] != "/dev")
    next(mount for mount in spec.mounts if mount.kind == "devpts").destination = "/pts"
    ours, theirs = socket.socketpair()
    masters = []

    def started():
        masters.append(receive_descriptor(ours))
        os.write(masters[0], b"typed\n")

    # A plain file is no terminal to control anything, which is no matter to the attacker.
    calls = {"open_slave": by_name, "set_controlling_terminal": lambda slave: None} if weaker else None
    with ours, theirs:
        attack(spec, calls=calls, console=theirs.fileno(), started=started)
    os.close(masters[0])
    assert (own_rootfs / "took").read_text() == ("as it " if weaker else "typed\n")

"""A descriptor of the host's left open, and a working folder or a program that lies outside by it (CVE-2024-21626).

The attacker names a descriptor of the engine as the working folder, or reads through it: /proc/self/fd/N leads wherever
it was opened. What defends: CloseDescriptors, and the look of EnterFolder at where it has come to; and what the child
does not need is closed before anything of the image is looked at, by CloseInherited.
"""

import os

import pytest
from weakened import replace

from labkit.errors import StepError
from labkit.plan.process import EnterFolder

pytestmark = pytest.mark.root


@pytest.fixture
def leaked(canary):
    """A descriptor of a folder of the host, open in the engine and not close-on-exec."""
    folder = os.open(canary.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(folder, True)
    yield folder
    os.close(folder)


def test_a_descriptor_does_not_come_with_the_program(attack, own_rootfs, leaked):
    command = ["cat", f"/proc/self/fd/{leaked}/canary"]
    assert "No such file" in attack(own_rootfs, command).stderr
    assert "No such file" in attack(own_rootfs, command, kept=[leaked]).stderr
    assert "No such file" in attack(own_rootfs, command, without=["CloseDescriptors"]).stderr
    # Either mechanism alone is enough.
    weaker = attack(own_rootfs, command, without=["CloseDescriptors"], kept=[leaked])
    assert weaker.stdout == "the host's"


class Blindly(EnterFolder):
    """As engines did before."""

    __slots__ = ()

    def _check_inside(self):
        pass


def test_no_working_folder_lies_outside(attack, own_rootfs, leaked):
    inside = {"cwd": f"/proc/self/fd/{leaked}"}
    with pytest.raises(StepError, match="No such file"):
        attack(own_rootfs, ["cat", "canary"], **inside)
    with pytest.raises(StepError, match="the working folder is outside the container"):
        attack(own_rootfs, ["cat", "canary"], kept=[leaked], **inside)
    weaker = attack(own_rootfs, ["cat", "canary"], kept=[leaked], steps=replace(EnterFolder, Blindly), **inside)
    assert weaker.stdout == "the host's"


def test_no_program_is_found_outside(attack, own_rootfs, leaked, canary):
    """A descriptor that closes with execve is still open while execve looks for its program."""
    canary.write_text("#!/bin/sh\necho from outside\n")
    canary.chmod(0o755)
    # The shell, which is the image's, could not open it any more: it runs what it is given.
    (canary.parent / "tool").symlink_to("busybox")
    (canary.parent / "busybox").write_bytes((own_rootfs / "bin/busybox").read_bytes())
    (canary.parent / "busybox").chmod(0o755)
    command = [f"/proc/self/fd/{leaked}/busybox", "echo", "from outside"]
    with pytest.raises(StepError, match="command not found"):
        attack(own_rootfs, command)
    assert attack(own_rootfs, command, kept=[leaked]).stdout == "from outside\n"

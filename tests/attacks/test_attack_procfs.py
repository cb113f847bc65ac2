"""Writes to procfs that an image redirects: kernel parameters, and the label of a security module.

CVE-2019-19921: /proc is a link of the image, exchanged between the mount of procfs and that of its masks, so that the
masks lie elsewhere. CVE-2019-16884: a folder of the image's passes for /proc, the label is written to a plain file, and
the program runs without one. CVE-2025-52881: a link below /proc/sys makes the writing of a kernel parameter one of a
file of the image's choice. What defends: procfs is mounted on no symbolic link; labels are written while /proc is the
host's; parameters in a procfs that is attached nowhere.
"""

import os
import shutil

import pytest
from weakened import insert, replace

from labkit.engine.configure import configure
from labkit.errors import StepError
from labkit.linux import lsm
from labkit.plan.labels import LabelOnExec
from labkit.plan.mounts import MaskPath, MountFilesystem, PivotRoot
from labkit.plan.roots import ChangeRoot
from labkit.plan.sysctl import WriteSysctl

pytestmark = pytest.mark.root


class OnAnything(MountFilesystem):
    """As engines did before."""

    __slots__ = ()

    def _refuse_symlink(self, scene):
        pass


def test_procfs_lies_where_its_masks_do(attack, own_rootfs):
    shutil.rmtree(own_rootfs / "proc")
    (own_rootfs / "proc").symlink_to("/real")
    for folder in ("real", "decoy"):
        (own_rootfs / folder).mkdir()
    (own_rootfs / "decoy/timer_list").touch()

    def point_to(name):
        (own_rootfs / "proc").unlink()
        (own_rootfs / "proc").symlink_to(name)

    def exchanged(steps):
        # To the decoy while the masks are made, and back before the program runs.
        steps = insert(MaskPath, lambda scene: point_to("/decoy"))(steps)
        return insert(PivotRoot, lambda scene: point_to("/real"))(steps)

    command = ["head", "-n", "1", "/proc/timer_list"]
    with pytest.raises(StepError, match='filesystem "proc" must be mounted on ordinary directory'):
        attack(own_rootfs, command, overlay=False, steps=exchanged)
    point_to("/real")

    def weaker(steps):
        return exchanged(replace(MountFilesystem, OnAnything)(steps))

    assert attack(own_rootfs, command, overlay=False, steps=weaker).stdout.startswith("Timer List Version")


class InTheImage(WriteSysctl):
    """Through /proc as the image has it, although below its root."""

    __slots__ = ()

    def apply(self, scene):
        for path, value in self.settings:
            file = scene.kernel.openat2(scene.root, f"/proc/sys/{path}", os.O_WRONLY)
            os.write(file, value.encode())
            os.close(file)


def test_a_kernel_parameter_is_written_to_no_file_of_the_image(attack, own_rootfs, tmp_path):
    """The file stands for one such as /proc/sysrq-trigger."""
    (tmp_path / "standin").write_text("as it was")
    (own_rootfs / "standin").touch()
    (own_rootfs / "proc/sys/kernel").mkdir(parents=True)
    (own_rootfs / "proc/sys/kernel/msgmax").symlink_to("/standin")
    spec = configure(str(own_rootfs), ["true"], volumes=[f"{tmp_path}/standin:/standin"], overlay=False)
    # So that /proc is the image's while the parameter is written.
    spec.mounts = tuple(mount for mount in spec.mounts if mount.kind != "proc")
    spec.linux.sysctl = {"kernel.msgmax": "4321"}
    assert attack(spec).status == 0
    assert (tmp_path / "standin").read_text() == "as it was"
    assert attack(spec, steps=replace(WriteSysctl, InTheImage)).status == 0
    assert (tmp_path / "standin").read_text() == "4321t was"


def test_a_kernel_parameter_is_set_all_the_same(attack, own_rootfs):
    spec = configure(str(own_rootfs), ["cat", "/proc/sys/kernel/msgmax"])
    spec.linux.sysctl = {"kernel.msgmax": "4321"}
    assert attack(spec).stdout == "4321\n"


def test_a_label_is_written_to_no_file_of_the_image(attack, own_rootfs, monkeypatch):
    """On a host without such a module the write of a true label fails, and with it the start."""
    if lsm.active():
        pytest.skip(f"{lsm.active()[0]} is at work on this host, and would have the label")
    monkeypatch.setattr(lsm, "active", lambda: ("AppArmor",))
    (own_rootfs / "proc/self/attr").mkdir(parents=True)
    (own_rootfs / "proc/self/attr/exec").touch()
    spec = configure(str(own_rootfs), ["cat", "/proc/self/attr/exec"], overlay=False)
    spec.mounts = tuple(mount for mount in spec.mounts if mount.kind != "proc")
    spec.linux.masked_paths = spec.linux.readonly_paths = ()
    spec.process.apparmor_profile = "strict"
    with pytest.raises(StepError, match="LabelOnExec"):
        attack(spec)

    def late(steps):
        label = next(step for step in steps if isinstance(step, LabelOnExec))
        others = [step for step in steps if step is not label]
        place = next(number for number, step in enumerate(others) if isinstance(step, PivotRoot | ChangeRoot)) + 1
        return (*others[:place], label, *others[place:])

    # No error: the engine takes it for labelled, and the program is not.
    assert attack(spec, steps=late).stdout == "exec strict"

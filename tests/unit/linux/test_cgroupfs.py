"""What is said of a limit that the kernel refuses, on trees of plain files."""

import errno
import os

import pytest

from labkit.linux.cgroupfs import refusal


@pytest.fixture
def tree(tmp_path):
    """A function that makes cgroups of v2, the upper first, with the controllers given for each."""

    def make(**controllers):
        folder = tmp_path
        for name, names in controllers.items():
            folder = folder / name
            folder.mkdir()
            (folder / "cgroup.controllers").write_text(names + "\n")
        return str(folder)

    return make


def said(number, file, value="5"):
    message, hint = refusal(OSError(number, os.strerror(number), file), file, value)
    assert message.startswith(f"{file} cannot be set to {value}: ")
    return message.partition(f"set to {value}: ")[2], hint


def test_the_file_that_should_hand_the_controller_down_is_named(tree, tmp_path):
    folder = tree(root="cpu memory pids", slice="cpu pids", box="cpu")
    file = f"{tmp_path}/root/slice/cgroup.subtree_control"
    assert said(errno.ENOENT, f"{folder}/pids.max") == (
        f"{file} does not hand down the controller 'pids'",
        f"echo +pids > {file}",
    )
    assert f"{tmp_path}/root/cgroup.subtree_control does not" in said(errno.ENOENT, f"{folder}/memory.max")[0]


@pytest.mark.parametrize("file", ["cpu.nosuch", "io.max"])
def test_a_file_that_the_kernel_lacks_is_not_the_parents_fault(tree, file):
    assert said(errno.ENOENT, f"{tree(root='cpu', box='cpu')}/{file}")[0] == "this kernel has no such limit"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENODEV])
def test_a_cgroup_that_somebody_removed_is_gone(tmp_path, number):
    assert said(number, f"{tmp_path}/removed/pids.max")[0] == "the cgroup is gone"


@pytest.mark.parametrize(("number", "words"), [(errno.EBUSY, "has processes"), (errno.ENOENT, "has not all of these")])
def test_controllers_that_cannot_be_handed_down_are_about_the_cgroup_itself(tree, number, words):
    assert words in said(number, f"{tree(root='cpu', box='cpu')}/cgroup.subtree_control", "+cpu")[0]

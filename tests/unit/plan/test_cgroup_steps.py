import errno
import os

import pytest

from labkit.errors import StepError
from labkit.plan.cgroup import AttachDeviceProgram, HandDown, WriteDeviceRules, WriteEitherCgroup
from labkit.plan.parent import WriteCgroup
from labkit.plan.step import Scene, decode


class Kernel:
    """Has the files `there`, takes what is not `refused`, and keeps what was written."""

    def __init__(self, there=(), refused=0):
        self.there = there
        self.refused = refused
        self.written = []

    def write_file(self, path, value):
        if path not in self.there:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if self.refused:
            raise OSError(self.refused, os.strerror(self.refused), path)
        self.written.append((path, value))

    def attach_device_program(self, folder, program):
        if self.refused:
            raise OSError(self.refused, os.strerror(self.refused), "BPF_PROG_LOAD")
        self.written.append((os.readlink(f"/proc/self/fd/{folder}"), program))

    def write_lines(self, path, lines):
        for line in lines:
            if line == "bad":
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path, None, line)
            self.written.append((path, line))


class Control(Kernel):
    """A cgroup of v2 that enables what is written to cgroup.subtree_control, all or none, but for what it `cannot`."""

    def __init__(self, cannot):
        super().__init__()
        self.cannot = cannot

    def write_file(self, path, value):
        if self.cannot & set(value.split()):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        self.written += value.split()


def test_a_controller_that_cannot_be_enabled_is_left_out_and_the_others_are_handed_down():
    kernel = Control({"+cpu"})
    HandDown("/cg/cgroup.subtree_control", ("memory",), "+cpu +cpuset +memory").apply(Scene(kernel))
    assert kernel.written == ["+cpuset", "+memory"]


def test_one_that_a_limit_needs_is_an_error_that_names_it():
    step = HandDown("/cg/cgroup.subtree_control", ("cpu",), "+cpu +memory")
    with pytest.raises(
        StepError, match=r"/cg/cgroup\.subtree_control cannot be set to \+cpu: the kernel does not take"
    ):
        step.apply(Scene(Control({"+cpu"})))


EITHER = WriteEitherCgroup("/cg/old", "/cg/new", "20", "10", "a weight")


@pytest.mark.parametrize(
    ("there", "written"), [(("/cg/old", "/cg/new"), ("/cg/old", "10")), (("/cg/new",), ("/cg/new", "20"))]
)
def test_the_other_file_is_for_a_kernel_that_lacks_the_first(there, written):
    kernel = Kernel(there)
    EITHER.apply(Scene(kernel))
    assert kernel.written == [written]


@pytest.mark.parametrize("step", [EITHER, WriteCgroup("/cg/new", "20", "a limit")])
@pytest.mark.parametrize(
    ("there", "refused", "words"),
    [
        ((), 0, "this kernel has no such limit"),
        (("/cg/new",), errno.EINVAL, "the kernel does not take this value"),
        (("/cg/new",), errno.ENODEV, "no such device"),
        (("/cg/new",), errno.EBUSY, "more than that is in use"),
        (("/cg/new",), errno.EIO, "Input/output error"),
    ],
)
def test_a_limit_that_is_refused_names_file_value_and_reason(step, there, refused, words, monkeypatch):
    monkeypatch.setattr("labkit.linux.cgroupfs.os.path.isdir", lambda path: True)
    with pytest.raises(StepError, match=f"/cg/new cannot be set to 20: {words}") as caught:
        step.apply(Scene(Kernel(there, refused)))
    assert caught.value.step == type(step).__name__
    assert "\n" not in str(caught.value)


def test_device_rules_are_written_in_their_order_and_described():
    kernel = Kernel()
    rules = (("devices.deny", "a"), ("devices.allow", "c 1:3 r"), ("devices.allow", "c 1:5 r"), ("devices.deny", "c"))
    step = decode(WriteDeviceRules("/cg", rules).encode())
    step.apply(Scene(kernel))
    assert kernel.written == [(f"/cg/{file}", line) for file, line in rules]
    assert step.describe() == "device rules of /cg: deny a, allow c 1:3 r, allow c 1:5 r, deny c"


def test_a_device_rule_that_is_refused_is_named():
    rules = (("devices.deny", "a"), ("devices.allow", "c 1:3 r"), ("devices.allow", "bad"))
    with pytest.raises(StepError, match=r"/cg/devices\.allow cannot be set to bad: the kernel does not take"):
        WriteDeviceRules("/cg", rules).apply(Scene(Kernel()))


def test_the_device_program_is_attached_to_its_cgroup(tmp_path):
    kernel = Kernel()
    step = decode(AttachDeviceProgram(str(tmp_path), b"12345678" * 3).encode())
    step.apply(Scene(kernel))
    assert kernel.written == [(str(tmp_path), b"12345678" * 3)]
    assert "3 instructions" in step.describe()


def test_a_device_program_that_is_refused_is_one_line(tmp_path):
    words = r"device rules cannot be attached to .*: BPF_PROG_LOAD: Operation not permitted"
    with pytest.raises(StepError, match=words) as caught:
        AttachDeviceProgram(str(tmp_path), b"").apply(Scene(Kernel(refused=errno.EPERM)))
    assert "CONFIG_CGROUP_BPF" in caught.value.hint


def test_too_many_open_files_are_not_put_down_to_the_device_rules(tmp_path):
    # The engine adds what to do, as for any other step.
    with pytest.raises(OSError, match="Too many open files"):
        AttachDeviceProgram(str(tmp_path), b"").apply(Scene(Kernel(refused=errno.EMFILE)))

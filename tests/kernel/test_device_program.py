"""Device rules as eBPF, decided by the kernel: for every rule what it allows, and what it does not."""

import os
from pathlib import Path

import pytest

from labkit.cgroups.devices import program
from labkit.linux import bpf
from labkit.spec.model import DeviceRule

pytestmark = pytest.mark.root

DENY = DeviceRule(allow=False)
# Prints r, w and b for what the device can be opened for (b: both at once), and m when a node can be made.
SCRIPT = """
import os, sys
path, number = sys.argv[1], int(sys.argv[2])
for name, flags in (("r", os.O_RDONLY), ("w", os.O_WRONLY), ("b", os.O_RDWR)):
    try:
        os.close(os.open(path, flags))
        print(name, end="")
    except PermissionError:
        pass
try:
    os.mknod(path + "2", 0o020600, number)
    os.unlink(path + "2")
    print("m", end="")
except PermissionError:
    pass
"""


def rule(allow, access, **numbers):
    return DeviceRule(allow=allow, kind="c", access=access, **numbers)


@pytest.mark.parametrize(
    ("rules", "granted"),
    [
        ((DENY,), "m"),
        ((DeviceRule(allow=True),), "rwbm"),
        ((DENY, rule(True, "rwm", major=10, minor=229)), "rwbm"),
        ((DENY, rule(True, "r", major=10, minor=229)), "rm"),
        ((DENY, rule(True, "w", major=10)), "wm"),
        ((DENY, rule(True, "rw", minor=229)), "rwbm"),
        ((DENY, rule(True, "rw", major=10, minor=228)), "m"),
        ((DENY, rule(True, "rw", major=11, minor=229)), "m"),
        ((DENY, DeviceRule(allow=True, kind="b", major=10, minor=229, access="rwm")), "m"),
        ((DENY, DeviceRule(allow=True, major=10, minor=229, access="rwm")), "rwbm"),
        # Each rule decides on what it names, and leaves the rest to those before it.
        ((DENY, rule(True, "r", major=10, minor=229), rule(True, "w", major=10, minor=229)), "rwbm"),
        ((DeviceRule(allow=True), rule(False, "w", major=10, minor=229)), "rm"),
        ((DENY, rule(True, "rw", major=10), rule(False, "r", minor=229)), "wm"),
        ((rule(True, "rwm", major=10, minor=229), DENY), "m"),
    ],
)
def test_the_last_rule_that_names_an_access_decides_on_it(v2_cgroup, inside, tmp_path, rules, granted):
    number = os.makedev(10, 229)
    os.mknod(tmp_path / "fuse", 0o020600, number)
    try:
        os.close(os.open(tmp_path / "fuse", os.O_RDWR))
    except OSError:
        pytest.skip("this kernel has no /dev/fuse, which the test opens")
    attach(v2_cgroup, rules)
    python = inside(v2_cgroup, "python3", "-I", "-c", SCRIPT, tmp_path / "fuse", str(number), stdout=-1)
    assert python.communicate(timeout=30)[0].decode() == granted


def attach(folder, rules):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        bpf.attach_device_program(descriptor, program(rules))
        return bpf.attached_programs(descriptor)
    finally:
        os.close(descriptor)


def test_a_new_program_takes_the_place_of_the_old_one(v2_cgroup):
    first = attach(v2_cgroup, (DENY,))
    second = attach(v2_cgroup, (DeviceRule(allow=True),))
    assert len(first) == len(second) == 1
    assert first != second


def test_the_same_rules_for_another_cgroup_are_loaded_once_and_for_the_same_anew(v2_cgroup, monkeypatch):
    load, loaded = bpf.load_program, []
    monkeypatch.setattr(bpf, "load_program", lambda code: loaded.append(code) or load(code))
    monkeypatch.setattr(bpf, "_programs", {})
    rules = (DENY, rule(True, "rw", major=10))
    other = Path(v2_cgroup) / "other"
    other.mkdir()
    try:
        first, second = attach(v2_cgroup, rules), attach(other, rules)
        assert first == second
        assert len(loaded) == 1
        replaced = attach(v2_cgroup, rules)
        assert len(replaced) == 1
        assert replaced != first
    finally:
        other.rmdir()
        for descriptor in bpf._programs.values():
            assert not os.get_inheritable(descriptor)
            os.close(descriptor)


def test_few_programs_are_kept(v2_cgroup, monkeypatch):
    monkeypatch.setattr(bpf, "_programs", {})
    before = len(os.listdir("/proc/self/fd"))
    for minor in range(bpf._MOST_KEPT + 3):
        bpf._loaded(program((DENY, rule(True, "rw", minor=minor))))
    assert len(os.listdir("/proc/self/fd")) == before + bpf._MOST_KEPT == before + len(bpf._programs)
    for descriptor in bpf._programs.values():
        os.close(descriptor)


def test_a_program_that_the_verifier_refuses_is_reported_in_its_words():
    with pytest.raises(OSError, match="exit") as caught:
        bpf.load_program(program((DENY,))[:-8])
    assert caught.value.filename == "BPF_PROG_LOAD"

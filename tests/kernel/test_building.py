"""What notebook 17 is made of: a container watched step by step, and built with mechanisms left out."""

import os

import pytest

from labkit import Container
from labkit.nb import stepping
from labkit.nb.builder import MECHANISMS, Builder

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def builder():
    return Builder()


def test_each_step_is_shown_with_what_it_has_changed(rootfs):
    frame = stepping.watch(Container(rootfs, ["cat"], pids=32))
    changed = frame.groupby("step")["changed"].sum()
    assert any(line.endswith("pids.max: max → 32") for line in changed["WriteCgroup"])
    assert "pid namespace: the host's → its own" in changed["Clone"]
    assert any(line.endswith("→ labkit") for line in changed["SetHostname"])
    assert "local addresses: new 127.0.0.0, 127.0.0.1" in changed["LoopbackUp"]
    assert "files in /dev: new null" in changed["MakeDevice"]
    assert any(line.startswith("unmounted:") for line in changed["PivotRoot"])
    assert "no_new_privs: 0 → 1" in changed["NoNewPrivileges"]
    assert "seccomp mode: 0 → 2" in changed["LoadSeccomp"]
    assert any(line.startswith("program:") for line in changed["Execute"])


def test_a_container_can_be_looked_at_where_it_stands(rootfs):
    with stepping.stopped_after("SetHostname", Container(rootfs, ["true"])) as pid:
        assert os.readlink(f"/proc/{pid}/root") == "/"
        assert "Seccomp:\t0" in stepping.lines_of(pid, "status", "Seccomp:")


def test_several_stops_stand_side_by_side(rootfs):
    frame = stepping.stops(Container(rootfs, ["cat"]), "Clone", "LoadSeccomp", "Execute").set_index("")
    assert list(frame.columns) == ["after Clone", "after LoadSeccomp", "after Execute"]
    assert list(frame.loc["seccomp mode"]) == ["0", "2", "2"]
    assert [text.endswith("/busybox") for text in frame.loc["program"]] == [False, False, True]


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("pid namespace", "processes of others in /proc"),
        ("network namespace", "net namespace"),
        ("ipc namespace", "ipc namespace"),
        ("uts namespace", "uts namespace"),
        ("cgroup namespace", "cgroup namespace"),
        ("read-only root", "write to /"),
        ("masked paths", "read /proc/interrupts"),
        ("read-only paths", "write to /proc/sys/kernel/core_pattern"),
        ("read-only /sys", "files below /sys that open for writing"),
        ("capabilities dropped", "effective capabilities"),
        ("no_new_privs", "no_new_privs"),
        ("system-call filter", "seccomp mode"),
    ],
)
def test_without_a_mechanism_the_process_can_do_what_that_has_kept_it_from(builder, name, question):
    found = builder.compare([name])
    assert question in set(found["question"])


def test_every_mechanism_but_the_hosts_devices_is_tried_alone():
    tried = {mark.args[1][number][0] for mark in _marks() for number in range(len(mark.args[1]))}
    # Which node of a disk can be opened depends on the disks of the host.
    assert set(MECHANISMS) - tried == {"device rules"}


def _marks():
    return test_without_a_mechanism_the_process_can_do_what_that_has_kept_it_from.pytestmark


def test_one_mechanism_stands_behind_another(builder):
    """Neither the filter nor the capabilities alone let it mount; without both it can."""
    answers = {
        off: builder.probe(off).set_index("question")["answer"]["mount a filesystem"]
        for off in (("system-call filter",), ("capabilities dropped",), ("system-call filter", "capabilities dropped"))
    }
    assert list(answers.values()) == ["EPERM", "EPERM", "yes"]


def test_the_host_keeps_its_name_when_the_container_shares_it(builder):
    before = os.uname().nodename
    builder.probe(MECHANISMS)
    assert os.uname().nodename == before

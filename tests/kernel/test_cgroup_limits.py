"""Limits of processes, huge pages and devices, seen to bite, and not before."""

import os

import pytest

from labkit.cgroups import events, statistics
from labkit.cgroups.alone import Alone
from labkit.cgroups.detect import Layout, detect
from labkit.cgroups.folders import having
from labkit.spec.model import DeviceRule, HugepageLimit, Pids, Resources

pytestmark = pytest.mark.root

MIB = 2**20


def test_forks_beyond_the_limit_are_refused_and_counted(limited, talk, folders, need, line):
    need("pids")
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; read go"
    with limited(f"({script}) 2>/dev/null; echo over; read go", pids=Pids(limit=5)) as container:
        _, stdout = talk(container)
        assert line(stdout) == "over"
        assert events.refused_forks(folders(container)) >= 1
        pids = statistics.read(folders(container))["pids"]
        assert pids["limit"] == 5
        assert 2 <= pids["current"] <= 5


@pytest.fixture
def huge_pages():
    """Two huge pages of 2 MB more than the host has; and at the end controllers handed down as before."""
    hugetlb, pool = detect().of("hugetlb"), "/proc/sys/vm/nr_hugepages"
    if hugetlb is None:
        pytest.skip("this host has no cgroup controller hugetlb")
    control = f"{hugetlb.mount}/cgroup.subtree_control"
    handed = read(control).split() if hugetlb.version == 2 else ["hugetlb"]
    before = read(pool)
    write(pool, str(int(before) + 2))
    try:
        if int(read(pool)) < int(before) + 2:
            pytest.skip("this host has no memory left for huge pages")
        yield
    finally:
        write(pool, before)
        if "hugetlb" not in handed:
            write(control, "-hugetlb")


@pytest.mark.usefixtures("huge_pages")
def test_huge_pages_end_at_their_limit(inside, setting):
    """On a hybrid host their controller may be the only one of the v2 tree."""
    unified = {"cgroup.max.depth": "3"} if detect().v2() else {}
    limits = Resources(hugepages=(HugepageLimit(page_size="2MB", limit=2 * MIB),), unified=unified)
    cgroups = Alone(limits, f"huge-{os.getpid()}")
    try:
        cgroups.make()
        assert setting(cgroups.folders, "cgroup.max.depth") == ("3" if unified else None)
        folder = having(cgroups.folders, "hugetlb.2MB.rsvd.max") or having(
            cgroups.folders, "hugetlb.2MB.rsvd.limit_in_bytes"
        )
        process = inside(folder, "python3", "-I", "-c", HUGE, stdout=-1)
        assert process.communicate(timeout=30)[0].decode().split() == ["1:mapped", "2:Cannot", "allocate", "memory"]
    finally:
        cgroups.remove()


# MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB
HUGE = """
import mmap
for pages in 1, 2:
    try:
        mmap.mmap(-1, pages << 21, flags=0x40022).close()
        print(f"{pages}:mapped")
    except OSError as error:
        print(f"{pages}:{error.strerror}")
"""


def read(path):
    with open(path) as text:
        return text.read().strip()


def write(path, value):
    with open(path, "w") as file:
        file.write(value)


DEVICES = """
    mknod /tmp/random c 1 8; mknod /tmp/full c 1 7; mknod /tmp/kmsg c 1 11; mknod /tmp/disk b 7 0
    for device in random full kmsg disk; do
        (: < /tmp/$device) 2>/dev/null && echo $device is read
        (: > /tmp/$device) 2>/dev/null && echo $device is written
    done"""


def test_devices_that_no_rule_allows_cannot_be_opened(limited):
    if not os.path.exists("/sys/dev/block/7:0"):
        pytest.skip("this host has no loop device")
    opened = "random is read\nrandom is written\nfull is read\nfull is written\n"
    result = limited(DEVICES, devices=(DeviceRule(allow=False),)).run(timeout=60)
    assert (result.text, result.stderr) == (opened, b"")
    disk = (DeviceRule(allow=False), DeviceRule(allow=True, kind="b", major=7, minor=0, access="r"))
    assert limited(DEVICES, devices=disk).run(timeout=60).text == opened + "disk is read\n"


def test_without_the_v1_controller_an_ebpf_program_keeps_the_rules(limited, monkeypatch):
    found = detect()
    if found.v2() is None:
        pytest.skip("no cgroup v2 tree is mounted")
    layout = Layout(hierarchy for hierarchy in found.hierarchies if "devices" not in hierarchy.controllers)
    monkeypatch.setattr("labkit.engine.prepare.detect.detect", lambda: layout)
    # The engine's other tests cannot show it on a host with v1, whose devices controller is asked first.
    assert "AttachDeviceProgram" in limited("true", devices=(DeviceRule(allow=False),)).plan.step_names()
    test_devices_that_no_rule_allows_cannot_be_opened(limited)

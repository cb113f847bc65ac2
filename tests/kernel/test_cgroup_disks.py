"""Limits of disks, seen to bite, and not before."""

import os
import select
import shutil
import subprocess
import time

import pytest

from labkit.cgroups import statistics
from labkit.cgroups.detect import detect
from labkit.errors import LabkitError
from labkit.spec.model import BlockIo, DeviceRule, Throttle, WeightDevice

pytestmark = pytest.mark.root

MIB = 2**20
KIB = 2**10
WEIGHTS = ("blkio.weight", "blkio.bfq.weight", "io.bfq.weight", "io.weight")


def whole_disk(path):
    """The numbers of the disk that holds `path`."""
    number = os.stat(path).st_dev
    found = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}"
    if not os.path.exists(found):
        pytest.skip(f"{path} is on no block device of its own")
    if os.path.exists(f"{found}/partition"):
        found = os.path.dirname(os.path.realpath(found))
    with open(f"{found}/dev") as text:
        return [int(part) for part in text.read().split(":")]


@pytest.mark.parametrize("direction", ["write", "read"])
@pytest.mark.parametrize(("what", "rate"), [("bps", 2 * MIB), ("iops", 2 * MIB // (64 * KIB))])
def test_throttled_transfers_keep_to_the_limit(limited, need, talk, folders, tmp_path, direction, what, rate):
    need("blkio", "io")
    major, minor = whole_disk(tmp_path)
    (tmp_path / "file").write_bytes(os.urandom(40 * MIB))
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    block_io = BlockIo(**{f"{direction}_{what}": (Throttle(major=major, minor=minor, rate=rate),)})
    ends = {"write": "if=/dev/zero of=/disk/new oflag=direct", "read": "if=/disk/file iflag=direct of=/dev/null"}
    script = f"dd {ends[direction]} bs=64k count=640 2>/dev/null; echo over"
    with limited(script, volumes=[f"{tmp_path}:/disk"], block_io=block_io) as container:
        _, stdout = talk(container)

        def moved(least):
            """Wait until so many bytes have been moved; returns how many, and moments before and after they were."""
            while True:
                asked = time.monotonic()
                rows = statistics.read(folders(container))["blkio"].get("ioServiceBytesRecursive", [])
                found = sum(row["value"] for row in rows if row["op"].lower() == direction)
                if found >= least:
                    return found, asked, time.monotonic()
                assert not select.select([stdout], [], [], 0.02)[0], "it ended too early"

        # What the throttle lets go at once is not measured, nor how long the program takes to start.
        before, began, _ = moved(2 * MIB)
        rates = []
        # A busy host may hold up a part of the way, which then is slower; none may be faster.
        while len(rates) < 6 and (not rates or rates[-1] < 2 * MIB * 0.9):
            after, again, ended = moved(before + 6 * MIB)
            rates.append((after - before) / (ended - began))
            before, began = after, again
    assert rates[-1] == pytest.approx(2 * MIB, rel=0.1), rates


@pytest.fixture
def disk(tmp_path):
    """A disk under the scheduler BFQ, which divides its time by weight: (major, minor)."""
    if shutil.which("losetup") is None:
        pytest.skip("losetup is not installed")
    with open(tmp_path / "image", "wb") as image:
        image.truncate(512 * MIB)
    made = subprocess.run(["losetup", "--find", "--show", tmp_path / "image"], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no loop device can be had: {made.stderr.strip()}")
    device = made.stdout.strip()
    queue = f"/sys/block/{os.path.basename(device)}/queue"
    try:
        try:
            with open(f"{queue}/scheduler", "w") as scheduler:
                scheduler.write("bfq")
            # No more than its weight for a reader that has just begun, and nothing given up for the sake of throughput.
            for file, value in (("low_latency", "0"), ("strict_guarantees", "1")):
                with open(f"{queue}/iosched/{file}", "w") as setting:
                    setting.write(value)
        except OSError:
            pytest.skip("this kernel has no scheduler BFQ")
        number = os.stat(device).st_rdev
        yield os.major(number), os.minor(number)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@pytest.mark.usefixtures("disk")  # with whose scheduler its files come
def test_a_disk_weight_goes_to_the_file_that_the_kernel_has(limited, folders, setting):
    with limited("sleep 60", block_io=BlockIo(weight=300)).start() as container:
        assert setting(folders(container), *WEIGHTS).split()[-1] in ("300", "2930")


@pytest.mark.parametrize("each", [False, True], ids=["all-disks", "one-disk"])
def test_a_disk_is_divided_by_weight_where_it_is_contended(limited, need, talk, line, folders, disk, each):
    need("blkio", "io")
    major, minor = disk
    rules = (DeviceRule(allow=False), DeviceRule(allow=True, kind="b", major=major, minor=minor, access="rwm"))
    script = f"""
        mknod /tmp/disk b {major} {minor}; echo ready; read go
        for reader in 1 2; do
            timeout 60 sh -c 'while :; do dd if=/tmp/disk iflag=direct of=/dev/null bs=64k; done' 2>/dev/null &
        done
        wait; echo over; read go"""

    def container(weight):
        devices = (WeightDevice(major=major, minor=minor, weight=weight),)
        block_io = BlockIo(weight_devices=devices) if each else BlockIo(weight=weight)
        return limited(script, devices=rules, block_io=block_io)

    def moved(one):
        rows = statistics.read(folders(one))["blkio"].get("ioServiceBytesRecursive", [])
        return sum(row["value"] for row in rows if (row["major"], row["minor"], row["op"]) == (major, minor, "Read"))

    with container(1000) as much, container(10) as little:
        streams = [talk(much), talk(little)]
        for _, stdout in streams:
            assert line(stdout) == "ready"
        for stdin, _ in streams:
            os.write(stdin, b"\n")
        ours = [stdout for _, stdout in streams]
        while not (moved(much) and moved(little)):
            assert not select.select(ours, [], [], 0.05)[0], "one has ended"
        before = moved(much), moved(little)
        assert not select.select(ours, [], [], 2)[0], "one has ended"
        assert moved(much) - before[0] > 2 * (moved(little) - before[1])


@pytest.mark.parametrize("each", [False, True], ids=["all-disks", "one-disk"])
def test_a_leaf_weight_that_no_kernel_keeps_any_more_is_one_line(limited, need, disk, each):
    need("blkio", "io")
    tree = detect().of("blkio")
    if tree and os.path.exists(f"{tree.path}/blkio.leaf_weight"):
        pytest.skip("this kernel, older than Linux 5.0, keeps leaf weights")
    devices = (WeightDevice(major=disk[0], minor=disk[1], leaf_weight=200),)
    block_io = BlockIo(weight_devices=devices) if each else BlockIo(leaf_weight=200)
    with pytest.raises(LabkitError, match=r"leaf_weight|leafWeight") as caught:
        limited("true", block_io=block_io).run(timeout=60)
    assert "\n" not in str(caught.value)

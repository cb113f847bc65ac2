import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.cgroups import v1, v2
from labkit.spec.model import Cpu, DeviceRule, Memory, Pids, Resources


def files(writes):
    return [(controller, file, value) for controller, file, value, _ in writes]


def test_v1_files_of_every_limit_in_the_order_the_kernel_takes_them():
    resources = Resources(
        memory=Memory(limit=100, swap=150, reservation=50),
        cpu=Cpu(shares=512, quota=5000, period=10_000, cpus="0-1", mems="0"),
        pids=Pids(limit=7),
    )
    assert files(v1.writes(resources)) == [
        ("memory", "memory.limit_in_bytes", "100"),
        ("memory", "memory.memsw.limit_in_bytes", "150"),
        ("memory", "memory.soft_limit_in_bytes", "50"),
        ("cpu", "cpu.shares", "512"),
        ("cpu", "cpu.cfs_period_us", "10000"),
        ("cpu", "cpu.cfs_quota_us", "5000"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "7"),
    ]


def test_v2_files_of_every_limit():
    resources = Resources(
        memory=Memory(limit=100, swap=150, reservation=50),
        cpu=Cpu(shares=1024, quota=5000, period=10_000, cpus="0-1", mems="0"),
        pids=Pids(limit=7),
    )
    assert files(v2.writes(resources)) == [
        ("memory", "memory.max", "100"),
        ("memory", "memory.swap.max", "50"),
        ("memory", "memory.low", "50"),
        ("cpu", "cpu.weight", "39"),
        ("cpu", "cpu.max", "5000 10000"),
        ("cpuset", "cpuset.cpus", "0-1"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "7"),
    ]


def test_nothing_is_written_for_what_is_not_limited():
    assert v1.writes(Resources()) == v2.writes(Resources()) == []


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_is_written_as_max(limit):
    assert files(v1.writes(Resources(pids=Pids(limit=limit)))) == [("pids", "pids.max", "max")]
    assert files(v2.writes(Resources(memory=Memory(limit=-1, swap=-1)))) == [
        ("memory", "memory.max", "max"),
        ("memory", "memory.swap.max", "max"),
    ]


@pytest.mark.parametrize(
    ("cpu", "value"),
    [(Cpu(quota=2000), "2000 100000"), (Cpu(period=5000), "max 5000"), (Cpu(quota=-1), "max 100000")],
)
def test_v2_writes_quota_and_period_as_one(cpu, value):
    assert files(v2.writes(Resources(cpu=cpu))) == [("cpu", "cpu.max", value)]


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262_144, 10_000), (0, 1), (10**9, 10_000)])
def test_shares_become_weights_as_in_runc_and_crun(shares, weight):
    assert v2.weight(shares) == weight


@given(st.integers(2, 262_144), st.integers(2, 262_144))
def test_more_shares_are_never_less_weight(one, other):
    low, high = sorted((one, other))
    assert 1 <= v2.weight(low) <= v2.weight(high) <= 10_000


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (DeviceRule(allow=False), "a"),
        (DeviceRule(allow=True, kind="c", major=1, minor=3, access="rw"), "c 1:3 rw"),
        (DeviceRule(allow=True, kind="b", major=8, access="r"), "b 8:* r"),
        (DeviceRule(allow=True, kind="c", major=-1, minor=0), "c *:0 rwm"),
    ],
)
def test_device_rules(rule, text):
    assert v1.device(rule) == text


def test_the_default_devices_stay_usable_whatever_the_rules():
    written = files(v1.writes(Resources(devices=(DeviceRule(allow=False),))))
    assert written[0] == ("devices", "devices.deny", "a")
    assert ("devices", "devices.allow", "c 1:3 rwm") in written
    assert not any(value.startswith("b") and value != "b *:* m" for _, _, value in written)

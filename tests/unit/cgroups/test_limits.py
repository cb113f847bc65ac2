import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.cgroups import v1, v2
from labkit.spec.model import (
    BlockIo,
    Cpu,
    DeviceRule,
    HugepageLimit,
    InterfacePriority,
    Memory,
    NetworkLimits,
    Pids,
    Rdma,
    Resources,
    Throttle,
    WeightDevice,
)


def files(writes):
    return [(limit.controller, limit.file, limit.value) for limit in writes]


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


def test_0_is_not_set_as_runc_and_crun_read_it():
    nothing = Resources(
        memory=Memory(limit=0, swap=0, reservation=0),
        cpu=Cpu(shares=0, quota=0, period=0, realtime_period=0, realtime_runtime=0),
        pids=Pids(limit=0),
    )
    assert v1.writes(nothing) == v2.writes(nothing) == []


def test_but_0_is_a_burst_an_idle_and_a_swappiness():
    zero = Resources(memory=Memory(swappiness=0), cpu=Cpu(burst=0, idle=0))
    assert files(v1.writes(zero)) == [
        ("memory", "memory.swappiness", "0"),
        ("cpu", "cpu.cfs_burst_us", "0"),
        ("cpu", "cpu.idle", "0"),
    ]
    assert files(v2.writes(zero)) == [("cpu", "cpu.max.burst", "0"), ("cpu", "cpu.idle", "0")]


def test_memory_without_limit_is_swap_without_limit():
    assert files(v1.writes(Resources(memory=Memory(limit=-1)))) == [
        ("memory", "memory.limit_in_bytes", "-1"),
        ("memory", "memory.memsw.limit_in_bytes", "-1"),
    ]
    assert files(v2.writes(Resources(memory=Memory(limit=-1)))) == [
        ("memory", "memory.max", "max"),
        ("memory", "memory.swap.max", "max"),
    ]


def test_v2_counts_swap_alone():
    def swap(limit, both):
        return files(v2.writes(Resources(memory=Memory(limit=limit, swap=both))))[-1][2]

    assert (swap(100, 100), swap(100, 130), swap(100, -1), swap(-1, 50)) == ("0", "30", "max", "50")


WHOLE = Resources(
    memory=Memory(swappiness=60, disable_oom_killer=True, use_hierarchy=True),
    cpu=Cpu(realtime_period=1_000_000, realtime_runtime=950_000),
    block_io=BlockIo(
        weight=500,
        leaf_weight=300,
        weight_devices=(WeightDevice(major=8, minor=0, weight=200, leaf_weight=100),),
        read_bps=(Throttle(major=8, minor=0, rate=1),),
        write_bps=(Throttle(major=8, minor=0, rate=2),),
        read_iops=(Throttle(major=8, minor=16, rate=3),),
        write_iops=(Throttle(major=8, minor=16, rate=0),),
    ),
    hugepages=(HugepageLimit(page_size="2MB", limit=4194304),),
    network=NetworkLimits(class_id=1048577, priorities=(InterfacePriority(name="eth0", priority=5),)),
    rdma={"mlx5_1": Rdma(hca_handles=3), "mlx5_2": Rdma(hca_handles=0, hca_objects=9)},
)


def test_v1_files_of_everything_else():
    assert files(v1.writes(WHOLE)) == [
        ("memory", "memory.swappiness", "60"),
        ("memory", "memory.oom_control", "1"),
        ("memory", "memory.use_hierarchy", "1"),
        ("cpu", "cpu.rt_period_us", "1000000"),
        ("cpu", "cpu.rt_runtime_us", "950000"),
        ("blkio", "blkio.weight", "500"),
        ("blkio", "blkio.leaf_weight", "300"),
        ("blkio", "blkio.weight_device", "8:0 200"),
        ("blkio", "blkio.leaf_weight_device", "8:0 100"),
        ("blkio", "blkio.throttle.read_bps_device", "8:0 1"),
        ("blkio", "blkio.throttle.write_bps_device", "8:0 2"),
        ("blkio", "blkio.throttle.read_iops_device", "8:16 3"),
        ("blkio", "blkio.throttle.write_iops_device", "8:16 0"),
        ("hugetlb", "hugetlb.2MB.limit_in_bytes", "4194304"),
        ("hugetlb", "hugetlb.2MB.rsvd.limit_in_bytes", "4194304"),
        ("net_cls", "net_cls.classid", "1048577"),
        ("net_prio", "net_prio.ifpriomap", "eth0 5"),
        ("rdma", "rdma.max", "mlx5_1 hca_handle=3"),
        ("rdma", "rdma.max", "mlx5_2 hca_handle=0 hca_object=9"),
    ]


def test_v2_files_of_everything_else():
    assert files(v2.writes(WHOLE)) == [
        ("io", "io.bfq.weight", "500"),
        ("io", "io.bfq.weight", "8:0 200"),
        ("io", "io.max", "8:0 rbps=1"),
        ("io", "io.max", "8:0 wbps=2"),
        ("io", "io.max", "8:16 riops=3"),
        ("io", "io.max", "8:16 wiops=max"),
        ("hugetlb", "hugetlb.2MB.max", "4194304"),
        ("hugetlb", "hugetlb.2MB.rsvd.max", "4194304"),
        ("rdma", "rdma.max", "mlx5_1 hca_handle=3"),
        ("rdma", "rdma.max", "mlx5_2 hca_handle=0 hca_object=9"),
    ]


def test_weights_have_another_file_under_another_scheduler():
    old = [limit.otherwise for limit in v1.writes(WHOLE) if limit.otherwise]
    assert files(old) == [("blkio", "blkio.bfq.weight", "500"), ("blkio", "blkio.bfq.weight_device", "8:0 200")]
    new = [limit.otherwise for limit in v2.writes(WHOLE) if limit.otherwise]
    assert files(new) == [("io", "io.weight", "4950"), ("io", "io.weight", "8:0 1920")]


@pytest.mark.parametrize(("weight", "other"), [(10, 1), (100, 910), (1000, 10_000)])
def test_disk_weights_become_v2_weights_as_in_runc_and_crun(weight, other):
    assert v2.io_weight(weight) == other


def test_no_limit_is_written_as_max():
    assert files(v1.writes(Resources(pids=Pids(limit=-1)))) == [("pids", "pids.max", "max")]
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
    ("rule", "lines"),
    [
        (DeviceRule(allow=False), ["a"]),
        (DeviceRule(allow=True, access="wmr"), ["a"]),
        (DeviceRule(allow=True, kind="c", major=1, minor=3, access="rw"), ["c 1:3 rw"]),
        (DeviceRule(allow=True, kind="b", major=8, access="r"), ["b 8:* r"]),
        (DeviceRule(allow=True, kind="c", major=-1, minor=0), ["c *:0 rwm"]),
        # To the kernel `a 1:3 r` would be everything.
        (DeviceRule(allow=True, major=1, minor=3, access="r"), ["b 1:3 r", "c 1:3 r"]),
        (DeviceRule(allow=True, access="r"), ["b *:* r", "c *:* r"]),
    ],
)
def test_device_rules(rule, lines):
    assert v1.device_lines(rule) == lines


def test_what_no_rule_names_is_denied_and_the_default_devices_stay_usable():
    written = files(v1.writes(Resources(devices=(DeviceRule(allow=True, kind="c", major=10, minor=200),))))
    assert written[:2] == [("devices", "devices.deny", "a"), ("devices", "devices.allow", "c 10:200 rwm")]
    assert ("devices", "devices.allow", "c 1:3 rwm") in written
    assert not any(value.startswith("b") and value != "b *:* m" for _, _, value in written)

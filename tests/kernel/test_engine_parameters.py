"""Kernel parameters, devices and scheduling, as the specification's properties ask for them."""

import os
import shutil

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import StepError
from labkit.spec.model import (
    Device,
    DeviceRule,
    IdMapping,
    IoPriority,
    MemoryPolicy,
    Namespace,
    Personality,
    Scheduler,
)

pytestmark = pytest.mark.root

REAL_TIME = pytest.mark.skipif(
    os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"),
    reason="with CONFIG_RT_GROUP_SCHED a new v1 cpu cgroup has no real-time budget",
)
MAPS = (IdMapping(host_id=100_000, size=65536),)


def run(spec):
    return Container.from_spec(spec).run(timeout=60)


def shell(rootfs, script, **options):
    return configure(str(rootfs), ["sh", "-c", script], **options)


def in_user_namespace(spec):
    spec.linux.namespaces += (Namespace(kind="user"),)
    spec.linux.uid_mappings = spec.linux.gid_mappings = MAPS
    return spec


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.ip_forward", "1"),
        ("net/ipv4/conf/lo/forwarding", "1"),
        ("kernel.shmmax", "65536"),
        ("kernel.domainname", "example.org"),
        ("fs.mqueue.msg_max", "7"),
    ],
)
def test_a_kernel_parameter_is_set_inside_and_not_outside(rootfs, name, value):
    file = "/proc/sys/" + name.replace(".", "/")
    with open(file) as parameter:
        outside = parameter.read()
    assert outside.strip() != value
    spec = shell(rootfs, f"cat {file}")
    spec.linux.sysctl = {name: value}
    assert run(spec).text.strip() == value
    with open(file) as parameter:
        assert parameter.read() == outside


@pytest.mark.parametrize("pid_namespace", [True, False])
def test_a_user_namespace_sets_the_parameters_of_its_network(rootfs, pid_namespace):
    spec = in_user_namespace(shell(rootfs, "cat /proc/sys/net/ipv4/ip_forward"))
    if not pid_namespace:
        spec.linux.namespaces = tuple(n for n in spec.linux.namespaces if n.kind != "pid")
    spec.linux.sysctl = {"net.ipv4.ip_forward": "1"}
    assert run(spec).text == "1\n"


def test_a_parameter_that_does_not_exist_is_named(rootfs):
    spec = shell(rootfs, "true")
    spec.linux.sysctl = {"net.no_such": "1"}
    with pytest.raises(StepError, match=r"WriteSysctl: .*sys/net/no_such: No such file") as caught:
        run(spec)
    assert caught.value.step == "WriteSysctl"


def test_a_symlink_of_the_image_does_not_lead_a_parameter_elsewhere(busybox_rootfs, tmp_path):
    os.chmod(tmp_path, 0o755)
    own = shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    shutil.rmtree(own / "proc")
    (own / "proc").symlink_to("/fake")
    (own / "fake/sys/net/ipv4").mkdir(parents=True)
    (own / "fake/sys/net/ipv4/ip_forward").touch()
    spec = shell(own, "cat /fake/sys/net/ipv4/ip_forward", overlay=False)
    spec.mounts = tuple(mount for mount in spec.mounts if mount.destination != "/proc")
    spec.linux.sysctl = {"net.ipv4.ip_forward": "1"}
    assert run(spec).text == ""


def test_listed_devices_have_their_numbers_owner_and_mode(rootfs):
    spec = shell(rootfs, "stat -c '%F %t:%T %a %u:%g' /dev/disk /dev/zero2 /dev/pipe /dev/null")
    spec.linux.devices = (
        Device(kind="b", path="/dev/disk", major=250, minor=300, mode=0o660, uid=5, gid=6),
        Device(kind="u", path="/dev/zero2", major=1, minor=5),
        Device(kind="p", path="/dev/pipe", mode=0o622, uid=1000),
        Device(kind="c", path="/dev/null", major=1, minor=3, mode=0o604),
    )
    assert run(spec).text.splitlines() == [
        "block special file fa:12c 660 5:6",
        "character special file 1:5 666 0:0",
        "fifo 0:0 622 1000:0",
        "character special file 1:3 604 0:0",
    ]


def test_a_listed_device_opens_only_where_the_device_rules_allow_it(rootfs):
    # What CAP_SYSLOG is needed for is asked after the device rules.
    spec = shell(rootfs, "true < /dev/message && echo opened", cap_add=["CAP_SYSLOG"])
    spec.linux.devices = (Device(kind="c", path="/dev/message", major=1, minor=11),)
    assert b"Operation not permitted" in run(spec).stderr
    spec.linux.resources.devices += (DeviceRule(allow=True, kind="c", major=1, minor=11, access="r"),)
    assert run(spec).text == "opened\n"


def test_a_user_namespace_gets_the_hosts_device_and_a_fifo(rootfs):
    spec = in_user_namespace(shell(rootfs, "stat -c '%F %t:%T' /dev/zero2 /dev/pipe; head -c 1 /dev/zero | wc -c"))
    spec.linux.devices = (
        Device(kind="c", path="/dev/zero", major=1, minor=5),
        Device(kind="p", path="/dev/pipe"),
    )
    result = run(spec)
    assert result.text.splitlines() == ["fifo 0:0", "1"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the name of the 32-bit machine is another elsewhere")
def test_the_personality_is_what_uname_shows(rootfs):
    spec = shell(rootfs, "uname -m")
    for domain, machine in (("LINUX", "x86_64"), ("LINUX32", "i686")):
        spec.linux.personality = Personality(domain=domain)
        assert run(spec).text == f"{machine}\n"


@pytest.mark.parametrize(
    ("kind", "priority", "shown"),
    [("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"), ("IOPRIO_CLASS_RT", 2, "realtime: prio 2")],
)
def test_the_io_priority_is_as_asked(rootfs, kind, priority, shown):
    spec = shell(rootfs, "ionice")
    spec.process.io_priority = IoPriority(kind=kind, priority=priority)
    assert run(spec).text.strip() == shown


@pytest.mark.parametrize(
    ("values", "nice", "priority", "policy"),
    [
        ({"policy": "SCHED_BATCH", "nice": 7}, 7, 0, 3),
        ({"policy": "SCHED_OTHER", "nice": -3}, -3, 0, 0),
        ({"policy": "SCHED_IDLE"}, 0, 0, 5),
        pytest.param({"policy": "SCHED_RR", "priority": 9}, 0, 9, 2, marks=REAL_TIME),
    ],
)
def test_the_scheduler_is_as_asked(rootfs, values, nice, priority, policy):
    spec = configure(str(rootfs), ["cat", "/proc/self/stat"])
    spec.process.scheduler = Scheduler(**values)
    # proc_pid_stat(5) counts from 1; after the name, which may hold blanks, comes field 3.
    fields = run(spec).text.rpartition(")")[2].split()
    assert [int(fields[number - 3]) for number in (19, 40, 41)] == [nice, priority, policy]


def test_a_deadline_scheduler_has_its_times(rootfs):
    spec = configure(str(rootfs), ["cat", "/proc/self/stat"])
    spec.process.scheduler = Scheduler(
        policy="SCHED_DEADLINE", runtime=2_000_000, deadline=20_000_000, period=20_000_000
    )
    assert run(spec).text.rpartition(")")[2].split()[41 - 3] == "6"


@pytest.mark.skipif(
    not os.path.exists("/proc/self/numa_maps"), reason="this kernel knows no memory nodes (CONFIG_NUMA)"
)
@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ("MPOL_F_STATIC_NODES",)}, "bind=static:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
    ],
)
def test_the_memory_policy_is_as_asked(rootfs, values, shown):
    spec = configure(str(rootfs), ["cat", "/proc/self/numa_maps"])
    spec.linux.memory_policy = MemoryPolicy(**values)
    lines = run(spec).text.splitlines()
    assert lines
    assert {line.split()[1] for line in lines} == {shown}


def test_memory_nodes_that_the_host_has_not_are_said(rootfs):
    spec = configure(str(rootfs), ["true"])
    spec.linux.memory_policy = MemoryPolicy(mode="MPOL_BIND", nodes="1000")
    with pytest.raises(StepError, match="SetMemoryPolicy: MPOL_BIND: Invalid argument"):
        run(spec)


def test_a_container_may_have_no_file_but_its_three(rootfs):
    with Container(rootfs, ["sh", "-c", "ulimit -n; echo $HOME"], rlimits={"NOFILE": 3}).create() as container:
        assert container.start().wait(timeout=60) == 0
    done = Container(rootfs, ["sh", "-c", "ulimit -n"], rlimits={"NOFILE": 3}).run(timeout=60)
    assert (done.exit_status, done.text) == (0, "3\n")

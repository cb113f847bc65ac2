"""The examples in the text of the OCI runtime specification 1.2 (config.md, config-linux.md), each run."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.root

OCI = [sys.executable, "-c", "from labkit.oci.launch import main; main()"]
NAMESPACES = [{"type": kind} for kind in ("pid", "network", "mount", "ipc", "uts", "cgroup")]
DEFAULT_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
]


@pytest.fixture
def run(rootfs, tmp_path):
    """Run a configuration with what `change` sets at the paths that are its keys; (status, stdout, stderr)."""
    id = f"labkit-test-{os.getpid()}"

    def run(change, *args):
        document = {
            "ociVersion": "1.2.0",
            "root": {"path": str(rootfs)},
            "process": {"args": list(args or ("true",)), "cwd": "/", "env": ["PATH=/bin"]},
            "mounts": list(DEFAULT_MOUNTS),
            "linux": {"namespaces": list(NAMESPACES)},
        }
        for path, value in change.items():
            *above, name = path.split("/")
            place = document
            for part in above:
                place = place.setdefault(part, {})
            if name == "mounts":
                value = [*DEFAULT_MOUNTS, *value]
            place[name] = value
        (tmp_path / "config.json").write_text(json.dumps(document))
        command = [*OCI, "--root", str(tmp_path / "state"), "run", "--bundle", str(tmp_path), id]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_root_that_is_read_only(run):
    status, _, stderr = run({"root/readonly": True}, "touch", "/x")
    assert (status, "Read-only file system" in stderr) == (1, True)


def test_mounts(run, tmp_path):
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/seen").touch()
    options = ["nosuid", "strictatime", "mode=755", "size=65536k"]
    tmpfs = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": options}
    bound = {"destination": "/tmp/data", "type": "none", "source": str(tmp_path / "volume"), "options": ["rbind", "rw"]}
    assert run({"mounts": [tmpfs, bound]}, "ls", "/tmp/data") == (0, "seen\n", "")


def test_a_process(run):
    bounding = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    change = {
        "process/user": {"uid": 1, "gid": 1, "umask": 63, "additionalGids": [5, 6]},
        "process/env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        "process/cwd": "/root",
        "process/ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 4},
        "process/noNewPrivileges": True,
        "process/capabilities": {
            "bounding": bounding,
            "permitted": bounding,
            "inheritable": bounding,
            "effective": ["CAP_AUDIT_WRITE", "CAP_KILL"],
            "ambient": ["CAP_NET_BIND_SERVICE"],
        },
        "process/rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
        "process/execCPUAffinity": {"initial": "7", "final": "0-3,7"},
    }
    script = "id -u; id -G; umask; pwd; ulimit -n; ionice; grep -E 'CapEff|CapAmb|NoNewPrivs' /proc/self/status"
    status, stdout, _ = run(change, "sh", "-c", script)
    said = stdout.split("\n")
    assert (status, said[:6]) == (0, ["1", "1 5 6", "0077", "/root", "1024", "idle"])
    # CAP_NET_BIND_SERVICE is number 10; for a program without capabilities of its own, ambient ones are all there is.
    assert [line.split()[1] for line in said[6:9]] == ["0000000000000400", "0000000000000400", "1"]


def test_names(run):
    status, stdout, _ = run({"hostname": "mrsdalloway", "domainname": "foobarbaz.test"}, "uname", "-n")
    assert (status, stdout) == (0, "mrsdalloway\n")


def test_id_mappings(run):
    maps = [{"containerID": 0, "hostID": 1000, "size": 32000}]
    change = {"linux/uidMappings": maps, "linux/gidMappings": maps, "linux/namespaces": [*NAMESPACES, {"type": "user"}]}
    status, stdout, _ = run(change, "cat", "/proc/self/uid_map")
    assert (status, stdout.split()) == (0, ["0", "1000", "32000"])


def test_time_offsets(run):
    offsets = {"monotonic": {"secs": 172800, "nanosecs": 0}, "boottime": {"secs": 604800, "nanosecs": 0}}
    change = {"linux/timeOffsets": offsets, "linux/namespaces": [*NAMESPACES, {"type": "time"}]}
    status, stdout, _ = run(change, "cat", "/proc/uptime")
    assert status == 0
    assert float(stdout.split()[0]) > 604800


def test_devices(run):
    node = {"fileMode": 438, "uid": 0, "gid": 0}
    fuse = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229} | node
    disk = {"path": "/dev/sda", "type": "b", "major": 8, "minor": 0} | node | {"fileMode": 432}
    status, stdout, _ = run({"linux/devices": [fuse, disk]}, "stat", "-c", "%F %a %t:%T", "/dev/fuse", "/dev/sda")
    assert (status, stdout) == (0, "character special file 666 a:e5\nblock special file 660 8:0\n")


def test_a_cgroups_path_with_rules_for_devices(run):
    deny = {"allow": False, "access": "rwm"}
    fuse = {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}
    disk = {"allow": True, "type": "b", "major": 8, "minor": 0, "access": "r"}
    change = {"linux/cgroupsPath": "/myRuntime/myContainer", "linux/resources": {"devices": [deny, fuse, disk]}}
    assert run(change) == (0, "", "")
    left = subprocess.run(["find", "/sys/fs/cgroup", "-name", "myRuntime"], capture_output=True, text=True).stdout
    assert left == ""


RESOURCES = {
    "memory": {
        "limit": 536870912,
        "reservation": 536870912,
        "swap": 536870912,
        "kernel": -1,
        "kernelTCP": -1,
        "swappiness": 0,
        "disableOOMKiller": False,
    },
    "pids": {"limit": 32771},
    # For the first CPU and memory node, which every host has, in place of the text's 2-3 and 0-7.
    "cpu": {"shares": 1024, "quota": 1000000, "period": 500000, "cpus": "0", "mems": "0"},
}
# What needs more of the host than it may have: the controller, or the disk 8:0.
MORE_RESOURCES = {
    "cpu": {"realtimeRuntime": 950000, "realtimePeriod": 1000000},
    "blockIO": {
        "weight": 10,
        "leafWeight": 10,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 300}],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 209715200}, {"pageSize": "64KB", "limit": 1000000}],
    "network": {"classID": 1048577, "priorities": [{"name": "lo", "priority": 1000}]},
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
    "unified": {"io.max": "259:0 rbps=2097152 wiops=120", "hugetlb.1GB.max": "1073741824"},
}


@pytest.mark.parametrize("name", RESOURCES)
def test_resources_of_every_host(run, name):
    status, _, stderr = run({"linux/resources": {name: RESOURCES[name]}})
    assert (status, stderr) == (0, "")


@pytest.mark.parametrize("name", MORE_RESOURCES)
def test_resources_are_kept_or_refused_by_name(run, name):
    status, _, stderr = run({"linux/resources": {name: MORE_RESOURCES[name]}})
    if status:
        assert stderr.count("\n") == 1
        assert f"/linux/resources/{name}" in stderr or " cannot be set to " in stderr


def test_kernel_parameters(run):
    change = {"linux/sysctl": {"net.ipv4.ip_forward": "1", "net.core.somaxconn": "256"}}
    files = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/core/somaxconn")
    assert run(change, "cat", *files) == (0, "1\n256\n", "")


def test_a_seccomp_filter(run):
    rule = {"names": ["getcwd", "chmod"], "action": "SCMP_ACT_ERRNO"}
    architectures = ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures, "syscalls": [rule]}
    status, _, stderr = run({"linux/seccomp": profile}, "chmod", "600", "/tmp")
    assert (status, "Operation not permitted" in stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rootfsPropagation", "slave"),
        ("maskedPaths", ["/proc/kcore"]),
        ("readonlyPaths", ["/proc/sys"]),
        ("personality", {"domain": "LINUX"}),
        ("memoryPolicy", {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}),
    ],
)
def test_what_is_one_property(run, name, value):
    assert run({f"linux/{name}": value}) == (0, "", "")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("linux/intelRdt", {"closID": "guaranteed_group", "l3CacheSchema": "L3:0=7f0;1=1f"}),
        ("vm", {"kernel": {"path": "/path/to/vmlinuz"}}),
        ("windows", {"layerFolders": ["C:\\Layers\\layer1"]}),
        ("zos", {"namespaces": [{"type": "pid"}]}),
    ],
)
def test_what_cannot_be_honoured_is_an_error_that_points_to_it(run, pointer, value):
    status, _, stderr = run({pointer: value})
    assert (status, stderr.count("\n")) == (1, 1)
    assert f"config.json#/{pointer}" in stderr


def test_annotations(run):
    assert run({"annotations": {"com.example.gpu-cores": "2"}}) == (0, "", "")

import pytest

from labkit.errors import SpecError
from labkit.spec import default
from labkit.spec.model import IdMapping, Namespace, Spec
from labkit.spec.validate import validate

NO_UTS = {"hostname": ""}
TIME = [{"type": "mount"}, {"type": "uts"}, {"type": "time", "path": "/proc/1/ns/time"}]
BOTH_NODES = {"flags": ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"]}
ONLY_UTS = {"linux__namespaces": [{"type": "mount"}, {"type": "uts"}]}


def document(**changes):
    """A whole valid document with `changes`: a path of keys, joined by __, and the value to stand there."""
    whole = default.spec("rootfs", ("true",)).dump()
    whole["linux"].setdefault("resources", {})
    for path, value in changes.items():
        place = whole
        *keys, last = path.split("__")
        for key in keys:
            place = place.setdefault(key, {})
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return whole


def check(**changes):
    validate(Spec.load(document(**changes), ""))


def lines(*maps):
    return [{"containerID": inside, "hostID": outside, "size": size} for inside, outside, size in maps]


def user(*maps):
    spaces = [{"type": "mount"}, {"type": "user"}]
    return {
        "linux__namespaces": spaces,
        "linux__uidMappings": lines(*maps),
        "linux__gidMappings": lines((0, 1, 1)),
        **NO_UTS,
    }


ONLY_USER = {**user((0, 1, 1)), "linux__namespaces": [{"type": "user"}]}


def seccomp(**properties):
    return {"linux__seccomp": {"defaultAction": "SCMP_ACT_ALLOW", **properties}}


def rule(**properties):
    return seccomp(syscalls=[{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", **properties}])


def test_the_document_is_valid_without_changes():
    check()


def test_mounts_need_no_mount_namespace_where_there_is_no_user_namespace():
    check(linux__namespaces=[], root__readonly=True, **NO_UTS)


def test_unknown_properties_are_ignored():
    check(process__somethingNew=3, brandNew={"a": 1})


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/", None),
        ("/ociVersion", {"ociVersion": ...}),
        ("/ociVersion", {"ociVersion": "2.0.0"}),
        ("/process/args", {"process__args": []}),
        ("/process/args", {"process__args": ...}),
        ("/process/args/1", {"process__args": ["a", 1]}),
        ("/process/args/0", {"process__args": ["a\0b"]}),
        ("/process/args/0", {"process__args": ["\ud800"]}),
        ("/process/cwd", {"process__cwd": "relative"}),
        ("/process/env/0", {"process__env": ["novalue"]}),
        ("/process/env/0", {"process__env": ["=x"]}),
        ("/process/user/uid", {"process__user": {"uid": -1}}),
        ("/process/user/uid", {"process__user": {"uid": True}}),
        ("/process/user/gid", {"process__user": {"gid": 1.5}}),
        ("/process/terminal", {"process__terminal": 1}),
        ("/process/consoleSize/width", {"process__consoleSize": {"height": 24}}),
        ("/process/rlimits/0/type", {"process__rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}),
        ("/process/rlimits/0/soft", {"process__rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}),
        ("/process/rlimits/1", {"process__rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2}),
        ("/root/path", {"root": {}}),
        ("/hostname", {"hostname": "x" * 65}),
        ("/mounts", {"mounts": {}}),
        ("/mounts/0/destination", {"mounts": [{}]}),
        ("/hooks", {"hooks": []}),
        ("/hooks/prestart/0/path", {"hooks": {"prestart": [{}]}}),
        ("/hooks/createRuntime/1/path", {"hooks": {"createRuntime": [{"path": "/a"}, {"path": "bin/hook"}]}}),
        ("/hooks/poststop/0/timeout", {"hooks": {"poststop": [{"path": "/a", "timeout": 0}]}}),
        ("/hooks/poststart/0/env/0", {"hooks": {"poststart": [{"path": "/a", "env": ["A"]}]}}),
        ("/annotations/a~1b~0c", {"annotations": {"a/b~c": 1}}),
        ("/linux/namespaces/0/type", {"linux__namespaces": [{"type": "mnt"}]}),
        ("/linux/namespaces/1", {"linux__namespaces": [{"type": "mount"}, {"type": "mount"}]}),
        ("/mounts", ONLY_USER),
        ("/linux/maskedPaths", {"mounts": [], **ONLY_USER}),
        ("/linux/rootfsPropagation", {"linux__namespaces": [], "linux__rootfsPropagation": "slave", **NO_UTS}),
        ("/root/readonly", {"root": {"path": "x", "readonly": True}, **ONLY_USER}),
        ("/linux/namespaces/0/path", {"linux__namespaces": [{"type": "pid", "path": "ns/pid"}]}),
        ("/linux/timeOffsets", {"linux__namespaces": TIME, "linux__timeOffsets": {"boottime": {"secs": 1}}}),
        ("/linux/sysctl/kernel.panic", {"linux__sysctl": {"kernel.panic": "1"}}),
        ("/linux/sysctl/kernel~1panic", {"linux__sysctl": {"kernel/panic": "1"}}),
        ("/linux/sysctl/kernel.hostname", {"linux__sysctl": {"kernel.hostname": "a"}}),
        ("/linux/sysctl/net.~1~1.kernel.panic", {"linux__sysctl": {"net.//.kernel.panic": "1"}}),
        ("/linux/sysctl/net.x", {"linux__sysctl": {"net.x": 1}}),
        ("/linux/sysctl/net.x", {"linux__sysctl": {"net.x": "1"}, "linux__namespaces": [{"type": "mount"}], **NO_UTS}),
        ("/linux/sysctl/fs.mqueue.x", {"linux__sysctl": {"fs.mqueue.x": "1"}, **ONLY_UTS}),
        ("/linux/sysctl/kernel.sem", {"linux__sysctl": {"kernel.sem": "1"}, **ONLY_UTS}),
        ("/linux/devices/0/type", {"linux__devices": [{"type": "x", "path": "/dev/x"}]}),
        ("/linux/devices/0/path", {"linux__devices": [{"type": "p", "path": "dev/x"}]}),
        ("/linux/devices/0/path", {"linux__devices": [{"type": "p", "path": "/dev/.."}]}),
        ("/linux/devices/0/minor", {"linux__devices": [{"type": "c", "path": "/dev/x", "major": 1}]}),
        ("/linux/devices/0/major", {"linux__devices": [{"type": "b", "path": "/dev/x", "major": 4096, "minor": 0}]}),
        ("/linux/rootfsPropagation", {"linux__rootfsPropagation": "everywhere"}),
        ("/linux/personality/domain", {"linux__personality": {"domain": "BSD"}}),
        ("/linux/personality/flags", {"linux__personality": {"domain": "LINUX", "flags": ["X"]}}),
        ("/process/ioPriority/class", {"process__ioPriority": {"class": "RT"}}),
        ("/process/ioPriority/priority", {"process__ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 8}}),
        ("/process/scheduler/policy", {"process__scheduler": {"nice": 1}}),
        ("/process/scheduler/flags/0", {"process__scheduler": {"policy": "SCHED_RR", "flags": ["FAST"]}}),
        ("/process/scheduler/nice", {"process__scheduler": {"policy": "SCHED_FIFO", "nice": 1}}),
        ("/process/scheduler/priority", {"process__scheduler": {"policy": "SCHED_OTHER", "priority": 1}}),
        ("/process/scheduler/period", {"process__scheduler": {"policy": "SCHED_FIFO", "period": 1}}),
        ("/linux/timeOffsets", {"linux__timeOffsets": {"realtime": {"secs": 1}}}),
        ("/linux/timeOffsets", {"linux__timeOffsets": {"boottime": {"secs": 1}}}),
        ("/linux/uidMappings", {"linux__uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}),
        ("/linux/resources/memory/limit", {"linux__resources__memory": {"limit": 2**63}}),
        ("/linux/resources/memory/swap", {"linux__resources__memory": {"swap": 5}}),
        ("/linux/resources/memory/swap", {"linux__resources__memory": {"swap": 5, "limit": 6}}),
        ("/linux/resources/cpu/quota", {"linux__resources__cpu": {"quota": 10}}),
        ("/linux/resources/cpu/period", {"linux__resources__cpu": {"period": 10}}),
        ("/linux/resources/cpu/burst", {"linux__resources__cpu": {"quota": 2000, "burst": 3000}}),
        ("/linux/resources/cpu/idle", {"linux__resources__cpu": {"idle": 2}}),
        ("/linux/resources/cpu/cpus", {"linux__resources__cpu": {"cpus": "all"}}),
        (
            "/linux/resources/cpu/realtimeRuntime",
            {"linux__resources__cpu": {"realtimeRuntime": 3, "realtimePeriod": 2}},
        ),
        ("/linux/resources/memory/limit", {"linux__resources__memory": {"limit": -2}}),
        ("/linux/resources/memory/swappiness", {"linux__resources__memory": {"swappiness": 101}}),
        ("/linux/resources/memory/disableOOMKiller", {"linux__resources__memory": {"disableOOMKiller": 1}}),
        ("/linux/resources/blockIO/weight", {"linux__resources__blockIO": {"weight": 9}}),
        ("/linux/resources/blockIO/weight", {"linux__resources__blockIO": {"weight": 1001}}),
        (
            "/linux/resources/blockIO/weightDevice/0",
            {"linux__resources__blockIO": {"weightDevice": [{"major": 8, "minor": 0}]}},
        ),
        (
            "/linux/resources/blockIO/throttleReadBpsDevice/0/rate",
            {"linux__resources__blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0}]}},
        ),
        (
            "/linux/resources/hugepageLimits/0/pageSize",
            {"linux__resources__hugepageLimits": [{"pageSize": "2M", "limit": 0}]},
        ),
        (
            "/linux/resources/hugepageLimits/1",
            {"linux__resources__hugepageLimits": [{"pageSize": "2MB", "limit": 0}] * 2},
        ),
        (
            "/linux/resources/network/priorities/0/name",
            {"linux__resources__network": {"priorities": [{"name": "a b", "priority": 1}]}},
        ),
        ("/linux/resources/rdma/mlx5_1", {"linux__resources__rdma": {"mlx5_1": {}}}),
        ("/linux/resources/rdma/a b", {"linux__resources__rdma": {"a b": {"hcaHandles": 1}}}),
        ("/linux/resources/unified/..~1memory.max", {"linux__resources__unified": {"../memory.max": "1"}}),
        ("/linux/resources/unified/memory", {"linux__resources__unified": {"memory": "1"}}),
        ("/linux/resources/unified/cgroup.procs", {"linux__resources__unified": {"cgroup.procs": "1"}}),
        ("/linux/resources/unified/memory.high", {"linux__resources__unified": {"memory.high": 1}}),
        ("/linux/resources/devices/0/access", {"linux__resources__devices": [{"allow": True, "access": "x"}]}),
        ("/linux/resources/pids/limit", {"linux__resources__pids": {}}),
        ("/linux/seccomp/defaultAction", {"linux__seccomp": {"defaultAction": "ALLOW"}}),
        ("/linux/seccomp/defaultAction", {"linux__seccomp": {"defaultAction": "SCMP_ACT_NOTIFY"}}),
        ("/linux/seccomp/flags/1", seccomp(flags=["SECCOMP_FILTER_FLAG_LOG", "LOG"])),
        ("/linux/seccomp/architectures/0", seccomp(architectures=["x86"])),
        ("/linux/seccomp/defaultErrnoRet", seccomp(defaultErrnoRet=1)),
        ("/linux/seccomp/syscalls/0/errnoRet", rule(action="SCMP_ACT_KILL", errnoRet=1)),
        ("/linux/seccomp/syscalls/0/errnoRet", rule(errnoRet=2**16)),
        ("/linux/seccomp/syscalls/0/names", rule(names=[])),
        ("/linux/seccomp/syscalls/0/names/1", rule(action="SCMP_ACT_NOTIFY", names=["read", "write"])),
        ("/linux/seccomp/syscalls/0/args/0/index", rule(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])),
        ("/linux/seccomp/listenerPath", rule(action="SCMP_ACT_NOTIFY")),
        ("/linux/netDevices/a b", {"linux__netDevices": {"a b": {}}}),
        ("/linux/netDevices/x~1y", {"linux__netDevices": {"x/y": {}}}),
        ("/linux/netDevices", {"linux__netDevices": {"": {}}}),
        ("/linux/netDevices/x/name", {"linux__netDevices": {"x": {"name": "sixteen-letters!"}}}),
        ("/linux/netDevices/y", {"linux__netDevices": {"x": {"name": "y"}, "y": {}}}),
        ("/linux/netDevices", {"linux__netDevices": {"x": {}}, **ONLY_UTS}),
        ("/linux/uidMappings/0/size", user((0, 1, 0))),
        ("/linux/uidMappings/0/size", user((0, 2**32 - 5, 6))),
        ("/linux/uidMappings/1/containerID", user((0, 10, 5), (4, 20, 5))),
        ("/linux/uidMappings/2/hostID", user((0, 10, 5), (5, 20, 5), (10, 14, 1))),
        ("/mounts/0/gidMappings/0/size", {"mounts": [{"destination": "/x", "gidMappings": lines((0, 0, 0))}]}),
        ("/linux/memoryPolicy/mode", {"linux__memoryPolicy": {"nodes": "0"}}),
        ("/linux/memoryPolicy/nodes", {"linux__memoryPolicy": {"mode": "MPOL_BIND"}}),
        ("/linux/memoryPolicy/nodes", {"linux__memoryPolicy": {"mode": "MPOL_BIND", "nodes": "3-1"}}),
        ("/linux/memoryPolicy/nodes", {"linux__memoryPolicy": {"mode": "MPOL_LOCAL", "nodes": "0"}}),
        ("/linux/memoryPolicy/flags/0", {"linux__memoryPolicy": {"mode": "MPOL_LOCAL", "flags": ["FAST"]}}),
        ("/linux/memoryPolicy/flags", {"linux__memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", **BOTH_NODES}}),
        ("/process/execCPUAffinity/initial", {"process__execCPUAffinity": {"initial": "0-"}}),
        ("/process/execCPUAffinity/final", {"process__execCPUAffinity": {"final": 3}}),
        ("/annotations", {"annotations": {"": "x"}}),
        ("/linux/intelRdt", {"linux__intelRdt": {"closID": "x"}}),
        ("/vm", {"vm": {"hypervisor": {}}}),
        ("/windows", {"windows": {"layerFolders": []}}),
        ("/solaris", {"solaris": {"milestone": "x"}}),
        ("/zos", {"zos": {"namespaces": []}}),
        ("/linux/maskedPaths/0", {"linux__maskedPaths": ["proc/kcore"]}),
    ],
)
def test_an_error_points_to_its_place(pointer, change):
    with pytest.raises(SpecError) as caught:
        Spec.load([], "") if change is None else check(**change)
    assert caught.value.pointer == pointer
    assert "\n" not in str(caught.value)


def test_a_mount_namespace_can_be_left_out_and_the_two_odd_ones_joined():
    check(linux__namespaces=[], mounts=[], linux__maskedPaths=[], linux__readonlyPaths=[], hostname="")
    check(linux__namespaces=[{"type": "mount", "path": "/ns/mnt"}, {"type": "user", "path": "/ns/user"}], hostname="")


def test_a_user_namespace_needs_maps():
    spec = default.spec("/", ("true",))
    spec.linux.namespaces += (Namespace(kind="user"),)
    with pytest.raises(SpecError) as caught:
        validate(spec)
    assert caught.value.pointer == "/linux/uidMappings"
    spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=1, size=1),)
    validate(spec)


@pytest.mark.parametrize("args", [("a\0b",), (1,), (b"a",)])
def test_words_that_no_system_call_can_carry_are_refused(args):
    with pytest.raises(SpecError) as caught:
        validate(default.spec("/", args))
    assert caught.value.pointer == "/process/args/0"

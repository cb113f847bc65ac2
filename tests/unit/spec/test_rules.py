import pytest

from labkit.errors import SpecError
from labkit.spec import default
from labkit.spec.model import IdMapping, Namespace, Spec
from labkit.spec.validate import validate

NO_UTS = {"hostname": ""}
TIME = [{"type": "mount"}, {"type": "uts"}, {"type": "time", "path": "/proc/1/ns/time"}]
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


def test_the_document_is_valid_without_changes():
    check()


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
        ("/process/terminal", {"process__terminal": True}),
        ("/process/rlimits/0/type", {"process__rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}),
        ("/process/rlimits/0/soft", {"process__rlimits": [{"type": "RLIMIT_CPU", "soft": 2, "hard": 1}]}),
        ("/process/rlimits/1", {"process__rlimits": [{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}] * 2}),
        ("/root/path", {"root": {}}),
        ("/hostname", {"hostname": "x" * 65}),
        ("/mounts", {"mounts": {}}),
        ("/mounts/0/destination", {"mounts": [{}]}),
        ("/hooks", {"hooks": {"prestart": []}}),
        ("/annotations/a~1b~0c", {"annotations": {"a/b~c": 1}}),
        ("/linux/namespaces", {"linux__namespaces": [{"type": "mnt"}]}),
        ("/linux/namespaces/0/type", {"linux__namespaces": [{"type": "mnt"}]}),
        ("/linux/namespaces/1", {"linux__namespaces": [{"type": "mount"}, {"type": "mount"}]}),
        ("/linux/namespaces/0/path", {"linux__namespaces": [{"type": "mount", "path": "/proc/1/ns/mnt"}]}),
        ("/linux/namespaces/0/path", {"linux__namespaces": [{"type": "user", "path": "/proc/1/ns/user"}]}),
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
        ("/linux/resources/blockIO", {"linux__resources__blockIO": {"weight": 10}}),
        ("/linux/resources/pids/limit", {"linux__resources__pids": {}}),
        ("/linux/seccomp/defaultAction", {"linux__seccomp": {"defaultAction": "ALLOW"}}),
        ("/linux/maskedPaths/0", {"linux__maskedPaths": ["proc/kcore"]}),
    ],
)
def test_an_error_points_to_its_place(pointer, change):
    if pointer == "/linux/namespaces":
        change = {"linux__namespaces": [{"type": "pid"}], "mounts": [], "hostname": ""}
        change |= {"linux__maskedPaths": [], "linux__readonlyPaths": []}
    with pytest.raises(SpecError) as caught:
        Spec.load([], "") if change is None else check(**change)
    assert caught.value.pointer == pointer
    assert "\n" not in str(caught.value)


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

import json

from hypothesis import given
from hypothesis import strategies as st

from labkit.linux.namespaces import NAMESPACES
from labkit.linux.process import RLIMITS
from labkit.linux.scheduling import (
    IOPRIO_CLASSES,
    MEMORY_POLICIES,
    MEMORY_POLICY_FLAGS,
    PERSONALITIES,
    POLICIES,
    SCHED_FLAGS,
)
from labkit.linux.seccomp import ACTIONS, ARCHITECTURES, FILTER_FLAGS, OPERATORS
from labkit.spec import default, model
from labkit.spec.section import Section

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
PATHS = TEXT.map("/".__add__)
INTERFACES = st.sampled_from(["eth0", "veth-1", "wlan%d"])
LISTED = st.sampled_from(["", "0", "0-3,7", "1,5-9"])
NUMBERS = st.integers(0, 2**32 - 1)
WORDS = st.text("abcdefgh0123456789_", min_size=1, max_size=12)
# Each property by what its check admits; sections and lists of them follow from the classes themselves.
VALUES = {
    "umask": st.integers(0, 0o777),
    "oom_score_adj": st.integers(-1000, 1000),
    "nanosecs": st.integers(0, 999_999_999),
    "index": st.integers(0, 5),
    "cwd": PATHS,
    "destination": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join),
    "height": st.integers(0, 2**16 - 1),
    "width": st.integers(0, 2**16 - 1),
    "action": st.sampled_from(sorted(ACTIONS)),
    "default_action": st.sampled_from(sorted(ACTIONS)),
    "architectures": st.lists(st.sampled_from(ARCHITECTURES), max_size=2).map(tuple),
    "errno": st.none() | st.integers(0, 2**16 - 1),
    "default_errno": st.none() | st.integers(0, 2**16 - 1),
    "mode": st.sampled_from(sorted(MEMORY_POLICIES)),
    "nodes": LISTED,
    "initial": LISTED,
    "final": LISTED,
    "operator": st.sampled_from(sorted(OPERATORS)),
    "masked_paths": st.lists(PATHS, max_size=3).map(tuple),
    "readonly_paths": st.lists(PATHS, max_size=3).map(tuple),
    "rootfs_propagation": st.sampled_from(["", "shared", "rslave", "private", "unbindable"]),
    "policy": st.sampled_from(sorted(POLICIES)),
    "flags": st.lists(st.sampled_from(sorted(SCHED_FLAGS)), max_size=3).map(tuple),
    "nice": st.integers(-20, 19),
    "domain": st.sampled_from(sorted(PERSONALITIES)),
    "sysctl": st.dictionaries(TEXT, TEXT, max_size=3),
    "path": PATHS,
    "major": st.integers(0, 4095),
    "minor": st.integers(0, 2**20 - 1),
    "annotations": st.dictionaries(TEXT.filter(bool), TEXT, max_size=3),
    "swappiness": st.integers(0, 100),
    "idle": st.integers(0, 1),
    "cpus": st.sampled_from(["", "0-3,7"]),
    "mems": st.sampled_from(["", "0"]),
    "access": st.sampled_from(["", "r", "rwm"]),
    "weight": st.integers(0, 1000),
    "leaf_weight": st.integers(0, 1000),
    "page_size": st.sampled_from(["64KB", "2MB", "1GB"]),
    "unified": st.dictionaries(WORDS.map("memory.".__add__), TEXT, max_size=3),
    "additional_gids": st.lists(NUMBERS, max_size=3).map(tuple),
}
KINDS = {
    model.Rlimit: st.sampled_from(sorted(RLIMITS)),
    model.Namespace: st.sampled_from(sorted(NAMESPACES)),
    model.DeviceRule: st.sampled_from("abc"),
    model.Mount: TEXT,
    model.Device: st.sampled_from("bcpu"),
    model.IoPriority: st.sampled_from(sorted(IOPRIO_CLASSES)),
}
LISTS = {
    "rlimits": model.Rlimit,
    "mounts": model.Mount,
    "namespaces": model.Namespace,
    "uid_mappings": model.IdMapping,
    "gid_mappings": model.IdMapping,
    "devices": model.DeviceRule,
    "rules": model.SeccompRule,
    "arguments": model.SeccompArgument,
    "weight_devices": model.WeightDevice,
    "read_bps": model.Throttle,
    "write_bps": model.Throttle,
    "read_iops": model.Throttle,
    "write_iops": model.Throttle,
    "hugepages": model.HugepageLimit,
    "priorities": model.InterfacePriority,
}
HOOKS = ("prestart", "create_runtime", "create_container", "start_container", "poststart", "poststop")
LISTS |= dict.fromkeys(HOOKS, model.Hook)
OPTIONAL = {
    "console_size": model.ConsoleSize,
    "capabilities": model.CapabilitySets,
    "exec_affinity": model.ExecAffinity,
    "io_priority": model.IoPriority,
    "memory_policy": model.MemoryPolicy,
    "personality": model.Personality,
    "pids": model.Pids,
    "scheduler": model.Scheduler,
    "seccomp": model.Seccomp,
}


def value(kind, name, default):
    if name == "kind":
        return KINDS[kind]
    if name == "priority":
        return st.integers(0, 7)
    if kind is model.Hook and name in ("env", "timeout"):
        entries = st.lists(TEXT.map(lambda text: f"NAME={text}"), max_size=2).map(tuple)
        return entries if name == "env" else st.none() | st.integers(1, 2**31 - 1)
    if kind is model.Linux and name == "devices":
        return st.lists(section(model.Device), max_size=2).map(tuple)
    if kind is model.InterfacePriority and name == "name":
        return WORDS
    if name == "rdma":
        return st.dictionaries(WORDS, section(model.Rdma), max_size=2)
    if kind is model.Seccomp and name == "flags":
        return st.lists(st.sampled_from(sorted(FILTER_FLAGS)), max_size=2).map(tuple)
    if kind is model.MemoryPolicy and name == "flags":
        return st.lists(st.sampled_from(sorted(MEMORY_POLICY_FLAGS)), max_size=2).map(tuple)
    if kind is model.Device and name == "mode":
        return st.integers(0, 0o777)
    if name in VALUES:
        return VALUES[name]
    if name in LISTS:
        return st.lists(section(LISTS[name]), max_size=2).map(tuple)
    if name in OPTIONAL:
        return st.none() | section(OPTIONAL[name])
    if name == "net_devices":
        return st.dictionaries(INTERFACES, section(model.NetDevice), max_size=2)
    if kind is model.NetDevice:
        return INTERFACES
    if name == "time_offsets":
        return st.dictionaries(st.sampled_from(["monotonic", "boottime"]), section(model.TimeOffset))
    if isinstance(default, Section):
        return section(type(default))
    if isinstance(default, bool):
        return st.booleans()
    if isinstance(default, str):
        return TEXT
    if isinstance(default, tuple):
        return st.lists(TEXT, max_size=3).map(tuple)
    return NUMBERS


def section(kind):
    return st.fixed_dictionaries({n: value(kind, n, d) for n, (_, _, d) in kind.PROPERTIES.items()}).map(
        lambda values: kind(**values)
    )


@given(section(model.Spec))
def test_what_is_dumped_loads_as_it_was(spec):
    document = json.loads(json.dumps(spec.dump()))
    assert model.Spec.load(document, "") == spec


def test_the_default_configuration_loads_as_it_was():
    spec = default.spec("/rootfs", ("true",))
    assert model.Spec.load(spec.dump(), "") == spec


def test_two_sections_share_no_default():
    one, other = model.Spec(), model.Spec()
    one.annotations["a"] = "b"
    one.process.cwd = "/elsewhere"
    assert other.annotations == {}
    assert other.process.cwd == "/"

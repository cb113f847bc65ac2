import json

from hypothesis import given
from hypothesis import strategies as st

from labkit.linux.libseccomp import ACTIONS, OPERATORS
from labkit.linux.namespaces import NAMESPACES
from labkit.linux.process import RLIMITS
from labkit.linux.scheduling import IOPRIO_CLASSES, PERSONALITIES, POLICIES, SCHED_FLAGS
from labkit.spec import default, model
from labkit.spec.section import Section

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
PATHS = TEXT.map("/".__add__)
NUMBERS = st.integers(0, 2**32 - 1)
# Each property by what its check admits; sections and lists of them follow from the classes themselves.
VALUES = {
    "umask": st.integers(0, 0o777),
    "oom_score_adj": st.integers(-1000, 1000),
    "nanosecs": st.integers(0, 999_999_999),
    "index": st.integers(0, 5),
    "cwd": PATHS,
    "terminal": st.just(False),
    "action": st.sampled_from(sorted(ACTIONS)),
    "default_action": st.sampled_from(sorted(ACTIONS)),
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
    "annotations": st.dictionaries(TEXT, TEXT, max_size=3),
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
}
OPTIONAL = {
    "capabilities": model.CapabilitySets,
    "io_priority": model.IoPriority,
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
    if kind is model.Linux and name == "devices":
        return st.lists(section(model.Device), max_size=2).map(tuple)
    if name in VALUES:
        return VALUES[name]
    if name in LISTS:
        return st.lists(section(LISTS[name]), max_size=2).map(tuple)
    if name in OPTIONAL:
        return st.none() | section(OPTIONAL[name])
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

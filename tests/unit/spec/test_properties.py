"""Any document loads, or is refused with the place in it: the loader and the planner never fail in another way."""

import copy
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError, SpecError
from labkit.plan import build, filesystems
from labkit.plan.facts import Facts
from labkit.plan.manner import Manner
from labkit.spec import default, load
from labkit.spec.model import Spec
from labkit.spec.validate import validate

FACTS = Facts(security_modules=("AppArmor", "SELinux"))


def ids():
    return [{"containerID": 0, "hostID": 100_000, "size": 65536}]


def rich():
    """A valid document with something in every section."""
    whole = default.spec("/image", ("sh", "-c", "true")).dump()
    whole["domainname"] = "example.org"
    whole["annotations"] = {"com.example.key": "value"}
    whole["hooks"] = {"prestart": [{"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}]}
    whole["process"] |= {
        "terminal": True,
        "consoleSize": {"height": 24, "width": 80},
        "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5]},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
        "oomScoreAdj": 5,
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 3},
        "scheduler": {"policy": "SCHED_BATCH", "nice": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        "apparmorProfile": "profile",
        "selinuxLabel": "a:b:c:s0",
        "execCPUAffinity": {"initial": "0-3", "final": "1"},
    }
    whole["mounts"] += [
        {"destination": "/data", "source": "/etc", "options": ["rbind", "rro", "rslave"]},
        {
            "destination": "/mapped",
            "type": "bind",
            "source": "/etc",
            "options": ["ridmap"],
            "uidMappings": ids(),
            "gidMappings": ids(),
        },
        {"destination": "/scratch", "type": "tmpfs", "options": ["tmpcopyup", "size=1k", "sync"]},
        {"destination": "/scratch", "options": ["remount", "ro"]},
    ]
    spaces = [{"type": "user"}, {"type": "time"}]
    whole["linux"]["namespaces"] += spaces
    whole["linux"] |= {
        "uidMappings": ids(),
        "gidMappings": ids(),
        "timeOffsets": {"boottime": {"secs": 1, "nanosecs": 2}},
        "cgroupsPath": "/labkit/x",
        "devices": [{"type": "c", "path": "/dev/x", "major": 1, "minor": 3, "fileMode": 438, "uid": 0, "gid": 0}],
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "personality": {"domain": "LINUX32"},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "netDevices": {"eth7": {"name": "eth0"}},
        "mountLabel": "a:b:c:s0",
        "rootfsPropagation": "rslave",
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": 38,
            "architectures": ["SCMP_ARCH_X86_64"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "/run/listener",
            "listenerMetadata": "words",
            "syscalls": [
                {
                    "names": ["mkdir"],
                    "action": "SCMP_ACT_NOTIFY",
                    "args": [{"index": 1, "value": 3, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}],
                }
            ],
        },
    }
    whole["linux"]["resources"] |= {
        "memory": {"limit": 2**26, "swap": 2**27},
        "cpu": {"shares": 512, "quota": 5000, "period": 100_000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 10},
    }
    return whole


def places(value, path=()):
    """The path of every value in a document, that of the document first."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def plan(document):
    """Load and check the document and plan a container for it, as far as that touches nothing."""
    spec = Spec.load(document, "")
    validate(spec)
    filesystems.idmap_steps(spec, FACTS)
    filesystems.node_steps(spec, FACTS)
    return build.child_steps(spec, FACTS, "/scratch", ("filter", b"\0" * 8), [], (), "id", Manner(console=True))


PLACES = list(places(rich()))
WORDS = st.sampled_from(
    ["", "/", "..", "a/../..", "\0", "\ud800", "bind", "rbind", "idmap", "tmpfs", "cgroup", "a\n/~b"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | WORDS, inner, max_size=3),
    max_leaves=6,
)
WHERE = st.sampled_from(PLACES)


def replaced(document, path, value):
    if not path:
        return value
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def refusal(call, *arguments):
    """The error that the call raises, or None; any other exception goes on."""
    try:
        call(*arguments)
    except LabkitError as error:
        return error
    return None


def refused_in_one_line_or_loaded(document):
    error = refusal(plan, document)
    if error is not None:
        assert isinstance(error, SpecError)
        assert error.pointer.startswith("/")
        assert len(f"{error}".splitlines()) == 1
        assert f"{error}".encode()


def test_the_rich_document_is_valid():
    assert plan(rich())
    assert Spec.load(Spec.load(rich(), "").dump(), "") == Spec.load(rich(), "")


@given(WHERE, JSON)
@settings(max_examples=300, deadline=None)
def test_any_value_at_any_place(path, value):
    refused_in_one_line_or_loaded(replaced(rich(), path, value))


@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, 2**64, "", "x", [], {}, [[]], {"a": {}}])
def test_a_value_of_each_type_at_every_place(value):
    whole = rich()
    for path in PLACES:
        refused_in_one_line_or_loaded(replaced(copy.deepcopy(whole), path, value))


def test_any_property_left_out():
    whole = rich()
    for path in PLACES[1:]:
        document = copy.deepcopy(whole)
        place = document
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]
        refused_in_one_line_or_loaded(document)


@given(WHERE, WHERE)
@settings(max_examples=200, deadline=None)
def test_one_part_of_the_document_in_place_of_another(path, other):
    value = rich()
    for key in other:
        value = value[key]
    refused_in_one_line_or_loaded(replaced(rich(), path, value))


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_any_document(value):
    refused_in_one_line_or_loaded(value)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tmp_path_factory.mktemp("bundle")


def read(folder, data):
    """The configuration that the data is, or None when it was refused."""
    (folder / "config.json").write_bytes(data)
    loaded = []
    error = refusal(lambda: loaded.append(load.load_bundle(str(folder))))
    if error is not None:
        assert error.hint
        assert len(f"{error}".splitlines()) == 1
    return loaded[0] if loaded else None


TEXT = json.dumps(rich()).encode()
FIXTURE = [HealthCheck.function_scoped_fixture]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=FIXTURE)
def test_random_bytes(bundle, data):
    assert read(bundle, data) is None


@given(st.integers(0, len(TEXT) - 1))
@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURE)
def test_a_document_that_is_cut_off(bundle, length):
    assert read(bundle, TEXT[:length]) is None


@given(st.lists(st.integers(0, 8 * len(TEXT) - 1), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=FIXTURE)
def test_a_document_with_bits_flipped(bundle, bits):
    data = bytearray(TEXT)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    read(bundle, bytes(data))


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10**6,
        b'{"a":' * 10**6,
        b'{"mounts": ' + b"[" * 10**5,
        b'{"process": {"args": ["' + b"\xff" * 10 + b'"]}}',
        b'{"process": {"args": ["\\ud800"]}}',
        b"\0" * 1000,
        b"\xff\xfe{}",
        b'{"ociVersion": 1e999}',
        b'{"ociVersion": NaN}',
        b'{"process": {"user": {"uid": ' + b"9" * 10**4 + b"}}}",
    ],
)
def test_what_is_hostile(bundle, data):
    assert read(bundle, data) is None


@pytest.mark.parametrize("depth", [50, 900, 10_000])
def test_nesting_where_nobody_looks_is_no_matter_or_refused(bundle, depth):
    text = TEXT[:-1] + b', "other": ' + b"[" * depth + b"]" * depth + b"}"
    loaded = read(bundle, text)
    assert loaded is not None or depth > 50


def test_ten_megabytes_are_read(bundle):
    whole = rich()
    whole["annotations"] = {f"key{number}": "x" * 1000 for number in range(10_000)}
    loaded = read(bundle, json.dumps(whole).encode())
    assert loaded is not None
    assert len(loaded.annotations) == 10_000


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop"])
def test_a_configuration_that_is_no_file(tmp_path, kind):
    place = tmp_path / "config.json"
    {"folder": place.mkdir, "fifo": lambda: os.mkfifo(place), "loop": lambda: place.symlink_to(place)}[kind]()
    with pytest.raises(LabkitError, match=r"config\.json"):
        load.load_bundle(str(tmp_path))

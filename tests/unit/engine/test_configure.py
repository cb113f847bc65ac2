import os

import pytest

from labkit.engine.configure import configure
from labkit.errors import LabkitError
from labkit.plan.build import OVERLAY_ANNOTATION
from labkit.spec import default
from labkit.spec.model import Spec


def made(**options):
    return configure("/image", ["sh"], **options)


def test_the_default_is_a_complete_configuration():
    spec = made()
    assert Spec.load(spec.dump(), "") == spec
    assert spec.process.no_new_privileges
    assert spec.process.capabilities.bounding == default.CAPABILITIES
    assert spec.linux.seccomp.default_action == "SCMP_ACT_ERRNO"
    assert spec.annotations[OVERLAY_ANNOTATION] == "tmpfs"


def test_memory_is_memory_and_swap_together():
    memory = made(memory="64M").linux.resources.memory
    assert (memory.limit, memory.swap) == (2**26, 2**26)


def test_cpus_are_a_quota_in_a_period_of_a_tenth_of_a_second():
    cpu = made(cpus="1.5").linux.resources.cpu
    assert (cpu.quota, cpu.period) == (150_000, 100_000)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"memory": "64Q"}, "64Q"),
        ({"cpus": "none"}, "none"),
        ({"pids": "-3"}, "-3"),
        ({"namespaces": ["mnt"]}, "mnt"),
        ({"namespaces": ["user"]}, "mount namespace"),
        ({"capabilities": ["FLY"]}, "FLY"),
        ({"cap_add": ["cap_fly"]}, "cap_fly"),
        ({"seccomp": "lax"}, "lax"),
        ({"cwd": "here"}, "here"),
        ({"volumes": ["data:/x"]}, "data:/x"),
        ({"volumes": ["/etc:/x:rx"]}, "/etc:/x:rx"),
        ({"volumes": ["/no/such:/x"]}, "/no/such"),
        ({"rlimits": {"files": 1}}, "files"),
        ({"rlimits": {"nofile": -2}}, "out of range"),
        ({"rlimits": {"nofile": (9, 3)}}, "hard limit"),
        ({"time_offsets": {"realtime": 1}}, "realtime"),
        ({"env": {"A": "b\0c"}}, "NUL"),
        ({"env": {"": "x"}}, "NAME=VALUE"),
        ({"hostname": "h" * 65}, "64 bytes"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, word):
    with pytest.raises(LabkitError, match=word) as caught:
        made(**options)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("args", "word"), [([], "no command"), ("echo hello", "one string"), ([b"a", 3], "string")])
def test_a_command_is_a_list_of_words(args, word):
    with pytest.raises(LabkitError, match=word):
        configure("/image", args)


def test_capabilities_are_dropped_then_added():
    names = made(cap_drop=["ALL"], cap_add=["net_admin", "CAP_KILL"]).process.capabilities
    assert set(names.bounding) == set(names.effective) == set(names.permitted) == {"CAP_NET_ADMIN", "CAP_KILL"}
    assert names.inheritable == names.ambient == ()


def test_the_filter_knows_the_capabilities():
    def allowed(spec):
        return {n for r in spec.linux.seccomp.rules if r.action == "SCMP_ACT_ALLOW" for n in r.names}

    assert "mount" not in allowed(made())
    assert "mount" in allowed(made(cap_add=["SYS_ADMIN"]))
    assert "chroot" not in allowed(made(cap_drop=["SYS_CHROOT"]))


def test_a_volume_gives_neither_devices_nor_set_user_id():
    mount = made(volumes=["/etc:/data:ro"]).mounts[-1]
    assert {"rbind", "rro", "rnosuid", "rnodev"} == set(mount.options)
    assert "rro" not in made(volumes=["/etc:/data"]).mounts[-1].options


def test_rlimits_have_names_as_ulimit_has_them_and_minus_one_for_none():
    limits = {
        limit.kind: (limit.soft, limit.hard) for limit in made(rlimits={"nofile": (5, 9), "CORE": -1}).process.rlimits
    }
    assert limits == {"RLIMIT_NOFILE": (5, 9), "RLIMIT_CORE": (2**64 - 1, 2**64 - 1)}


def test_what_a_namespace_shows_is_not_mounted_without_it():
    spec = made(namespaces=["mount", "pid"])
    kinds = {mount.kind for mount in spec.mounts}
    assert "mqueue" not in kinds
    assert "cgroup" not in kinds
    assert spec.hostname == ""


def test_offsets_bring_their_namespace():
    spec = made(time_offsets={"boottime": 5})
    assert "time" in [namespace.kind for namespace in spec.linux.namespaces]
    assert spec.linux.time_offsets["boottime"].secs == 5


def test_an_ordinary_user_gets_a_user_namespace_with_its_one_id(monkeypatch):
    monkeypatch.setattr("labkit.engine.configure.os.geteuid", lambda: 1000)
    monkeypatch.setattr("labkit.engine.configure.os.getegid", lambda: 1001)
    linux = made().linux
    assert "user" in [namespace.kind for namespace in linux.namespaces]
    assert [(m.container_id, m.host_id, m.size) for m in linux.uid_mappings] == [(0, 1000, 1)]
    assert [(m.container_id, m.host_id, m.size) for m in linux.gid_mappings] == [(0, 1001, 1)]


def test_the_root_filesystem_is_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert configure("image", ["sh"]).root.path == os.path.join(tmp_path, "image")


def test_a_read_only_root_has_no_overlay():
    spec = made(readonly=True)
    assert spec.root.readonly
    assert OVERLAY_ANNOTATION not in spec.annotations

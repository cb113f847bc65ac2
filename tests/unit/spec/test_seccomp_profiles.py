"""Profiles by name and from files: what they allow, and what is refused with the place and what may be meant."""

import json

import pytest

from labkit.errors import LabkitError
from labkit.spec import default
from labkit.spec.model import Seccomp
from labkit.spec.seccomp_file import load_file
from labkit.spec.seccomp_profiles import profile


def allowed(seccomp):
    return {name for rule in seccomp.rules if rule.action == "SCMP_ACT_ALLOW" for name in rule.names}


def written(tmp_path, document):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(document))
    return path


def load(tmp_path, document, capabilities=(), machine="x86_64", release="6.1.0-49-cloud"):
    return load_file(str(written(tmp_path, document)), capabilities, machine, release)


def test_the_three_names():
    assert profile("none", ()) is None
    assert "socket" in allowed(profile("default", ()))
    assert profile("default", ("CAP_SYS_ADMIN",)) != profile("default", ())
    assert profile("strict", ("CAP_SYS_ADMIN",)) == profile("strict", ())


def test_the_strict_one_allows_less_than_the_default_one_and_nothing_else():
    strict, usual = profile("strict", ()), profile("default", ())
    assert allowed(strict) < allowed(usual)
    assert not {"ptrace", "chroot", "chown", "setuid", "mknod", "bind", "shmget"} & allowed(strict)
    assert strict.architectures == ()


def test_a_profile_can_also_be_an_object_or_made_already():
    made = Seccomp(default_action="SCMP_ACT_ALLOW")
    assert profile(made, ()) is made
    assert profile({"defaultAction": "SCMP_ACT_ALLOW"}, ()) == made


def test_a_file_in_the_form_of_the_specification(tmp_path):
    rule = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28, "args": None}
    document = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "syscalls": [rule]}
    found = profile(written(tmp_path, document), ())
    assert (found.default_action, found.architectures) == ("SCMP_ACT_ALLOW", ("SCMP_ARCH_X86",))
    assert (found.rules[0].names, found.rules[0].errno) == (("mkdir",), 28)


DOCKERS = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrno": "ENOSYS",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "always"},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["cachestat"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.5"}},
        {"name": "bpf", "action": "SCMP_ACT_ERRNO", "errno": "EPERM"},
    ],
}


def test_a_file_in_dockers_form_depends_on_the_container_and_the_host(tmp_path):
    found = load(tmp_path, DOCKERS)
    assert allowed(found) == {"read", "clone", "arch_prctl", "ptrace"}
    assert found.architectures == ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32")
    assert (found.default_errno, found.rules[-1].errno, found.rules[-1].names) == (38, 1, ("bpf",))
    assert all(rule.names for rule in found.rules)
    other = load(tmp_path, DOCKERS, ("CAP_SYS_ADMIN",), "aarch64", "6.12.1")
    assert allowed(other) == {"read", "mount", "ptrace", "cachestat"}
    assert other.architectures == ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")


def rules(*syscalls, **more):
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": list(syscalls), **more}


ALLOW_READ = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}


@pytest.mark.parametrize(
    ("document", "place", "word", "hint"),
    [
        (
            rules(ALLOW_READ, {"names": ["write", "opennat"], "action": "SCMP_ACT_ALLOW"}),
            "/syscalls/1/names/1",
            "no system call is called 'opennat'",
            "did you mean openat",
        ),
        (
            rules({"names": ["read"], "action": "SCMP_ACT_ALOW"}),
            "/syscalls/0/action",
            "SCMP_ACT_ALOW",
            "SCMP_ACT_ALLOW",
        ),
        (rules(architectures=["SCMP_ARCH_X8664"]), "/architectures/0", "SCMP_ARCH_X8664", "SCMP_ARCH_X86_64"),
        (rules({"names": ["read"], "action": "deny"}), "/syscalls/0/action", "SCMP_ACT_ERRNO", ""),
        (rules(flags=["SECCOMP_FILTER_FLAG_LOGS"]), "/flags/0", "LOGS", "SECCOMP_FILTER_FLAG_LOG"),
        ({"syscalls": []}, "/defaultAction", "required", ""),
        ({"linux": {"seccomp": rules()}}, "/defaultAction", "required", "/linux/seccomp"),
        (rules(ALLOW_READ | {"errnoRet": 1}), "/syscalls/0/errnoRet", "SCMP_ACT_ALLOW", ""),
        (
            rules({"names": ["read"], "action": "SCMP_ACT_ERRNO", "errno": "EFLY"}),
            "/syscalls/0/errno",
            "EFLY",
            "errno(3)",
        ),
        (rules(ALLOW_READ | {"includes": {"caps": "CAP_KILL"}}), "/syscalls/0/includes/caps", "array", ""),
        (rules(ALLOW_READ | {"args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}), "/args/0/index", "between", ""),
        ([], "/", "must be an object", ""),
        (rules("read"), "/syscalls/0", "must be an object", ""),
        (rules(ALLOW_READ | {"names": []}), "/syscalls/0/names", "must name a system call", ""),
    ],
)
def test_a_bad_file_is_named_with_the_place_and_what_may_be_meant(tmp_path, document, place, word, hint):
    with pytest.raises(LabkitError) as caught:
        load(tmp_path, document)
    assert caught.value.message.startswith(f"{tmp_path}/own.json#")
    assert place in caught.value.message
    assert word in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_name_that_is_no_profile_and_no_file():
    with pytest.raises(LabkitError, match=r"no seccomp profile 'lax' \(the profiles are default, strict, none"):
        profile("lax", ())
    with pytest.raises(LabkitError, match=r"none\.json: No such file"):
        profile("none.json", ())


def test_calls_of_other_architectures_and_of_newer_kernels_are_known(tmp_path):
    names = ["socketcall", "arm_fadvise64_64", "s390_guarded_storage", "mseal", "file_setattr", "riscv_hwprobe"]
    found = load(tmp_path, rules({"names": names, "action": "SCMP_ACT_ALLOW"}))
    assert found.rules[0].names == tuple(names)


def test_no_call_of_the_default_profile_is_misspelt(tmp_path):
    document = profile("default", tuple(default.CAPABILITIES)).dump()
    assert load(tmp_path, document) == profile("default", tuple(default.CAPABILITIES))

"""What the process inside may do: capabilities, seccomp, devices, identity, limits of its own."""

import os

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.linux import capabilities
from labkit.spec.model import CapabilitySets, Seccomp, SeccompRule

pytestmark = pytest.mark.root


def run(rootfs, script, **options):
    return Container(rootfs, ["sh", "-c", script], **options).run(timeout=60)


def status(text):
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def sets(text):
    keys = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return dict(
        zip(capabilities.SETS, (set(capabilities.names(int(status(text)[key], 16))) for key in keys), strict=True)
    )


def test_dockers_fourteen_by_default(rootfs):
    found = sets(run(rootfs, "cat /proc/self/status").text)
    assert len(found["bounding"]) == 14
    assert found["bounding"] == found["permitted"] == found["effective"]
    assert found["inheritable"] == found["ambient"] == set()


def test_each_of_the_five_sets_is_as_asked(rootfs):
    """For user 0 execve gives permitted = inheritable | bounding and all of it effective (capabilities(7))."""
    spec = configure(str(rootfs), ["cat", "/proc/self/status"], user="1000")
    ours = ("CAP_CHOWN", "CAP_KILL")
    spec.process.capabilities = CapabilitySets(
        bounding=(*ours, "CAP_SETUID"), permitted=ours, effective=ours, inheritable=ours, ambient=("CAP_KILL",)
    )
    found = sets(Container.from_spec(spec).run(timeout=60).text)
    assert found == {
        "bounding": {*ours, "CAP_SETUID"},
        "inheritable": set(ours),
        "ambient": {"CAP_KILL"},
        "permitted": {"CAP_KILL"},
        "effective": {"CAP_KILL"},
    }


@pytest.fixture
def older_table(monkeypatch):
    """labkit as it would be had it been written before the kernel's last capability."""
    last = capabilities.last_capability()
    monkeypatch.setattr(capabilities, "NAMES", capabilities.NAMES[:last])
    monkeypatch.setattr(capabilities, "NUMBERS", {f"CAP_{name}": i for i, name in enumerate(capabilities.NAMES)})
    return f"CAP_{last}"


def test_one_that_is_newer_than_the_table_is_dropped_all_the_same(rootfs, older_table):
    found = sets(run(rootfs, "cat /proc/self/status").text)
    assert all(older_table not in names for names in found.values())


def test_one_that_is_newer_than_the_table_is_given_by_number_or_with_all(rootfs, older_table):
    for wanted in (older_table, "ALL"):
        found = sets(run(rootfs, "cat /proc/self/status", cap_add=[wanted]).text)
        assert older_table in found["bounding"] & found["permitted"] & found["effective"]


def test_one_that_no_kernel_has_yet_is_left_out(rootfs):
    spec = configure(str(rootfs), ["cat", "/proc/self/status"])
    spec.process.capabilities = CapabilitySets(bounding=("CAP_63", "CAP_CHOWN"))
    container = Container.from_spec(spec)
    assert any("CAP_63" in note for note in container.plan.notes)
    assert sets(container.run(timeout=60).text)["bounding"] == {"CAP_CHOWN"}


def test_who_names_no_capabilities_gets_none(rootfs):
    spec = configure(str(rootfs), ["cat", "/proc/self/status"])
    spec.process.capabilities = None
    found = sets(Container.from_spec(spec).run(timeout=60).text)
    assert all(names == set() for names in found.values())


def test_an_ordinary_user_inside_has_none_in_effect(rootfs):
    found = sets(run(rootfs, "cat /proc/self/status", user="ann").text)
    assert found["effective"] == found["permitted"] == set()


def test_no_new_privileges_unless_asked(rootfs):
    assert status(run(rootfs, "cat /proc/self/status").text)["NoNewPrivs"] == "1"
    assert status(run(rootfs, "cat /proc/self/status", no_new_privileges=False).text)["NoNewPrivs"] == "0"


@pytest.mark.parametrize("new_privileges", [False, True])
def test_the_filter_is_on_and_refuses_a_call_that_root_could_make(rootfs, new_privileges):
    options = {"no_new_privileges": not new_privileges}
    assert status(run(rootfs, "cat /proc/self/status", **options).text)["Seccomp"] == "2"
    refused = run(rootfs, "unshare -U true", **options)
    assert refused.exit_status == 1
    assert b"Operation not permitted" in refused.stderr
    assert run(rootfs, "unshare -U true", seccomp="none", **options).exit_status == 0


def test_mount_is_refused_even_with_its_capability_gone_from_the_filter_only(rootfs):
    with_capability = run(rootfs, "mount -t tmpfs t /tmp && echo mounted", cap_add=["SYS_ADMIN"])
    assert with_capability.text == "mounted\n"
    assert run(rootfs, "mount -t tmpfs t /tmp").exit_status != 0


def test_a_filter_need_not_allow_what_the_engine_itself_calls(rootfs):
    """A bundle's own allow-list knows the program only: no sendmsg, no close_range, no prctl."""
    spec = configure(str(rootfs), ["/bin/busybox", "echo", "hello"])
    allowed = (
        "execve brk arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink readlinkat getrandom mprotect"
    )
    allowed += " write exit_group prctl getuid mmap munmap newfstatat fstat ioctl rt_sigprocmask rt_sigreturn"
    spec.linux.seccomp = Seccomp(
        default_action="SCMP_ACT_ERRNO", rules=(SeccompRule(names=tuple(allowed.split()), action="SCMP_ACT_ALLOW"),)
    )
    result = Container.from_spec(spec).run(timeout=60)
    assert (result.exit_status, result.text) == (0, "hello\n")


def test_without_no_new_privs_the_filter_holds_and_the_privilege_to_load_it_is_gone(rootfs):
    spec = configure(str(rootfs), ["sh", "-c", "cat /proc/self/status; pwd; mkdir /tmp/x"], user="1000")
    spec.process.no_new_privileges = False
    rule = SeccompRule(names=("getcwd", "faccessat2", "mkdir", "mkdirat", "setresuid"), action="SCMP_ACT_ERRNO")
    spec.linux.seccomp = Seccomp(default_action="SCMP_ACT_ALLOW", rules=(rule,))
    result = Container.from_spec(spec).run(timeout=60)
    assert result.exit_status == 1
    found = status(result.text)
    assert (found["Seccomp"], found["NoNewPrivs"], found["Uid"].split()[0]) == ("2", "0", "1000")
    assert int(found["CapPrm"], 16) == 0


def test_a_filter_that_kills_is_a_death_by_signal(rootfs):
    spec = configure(str(rootfs), ["mkdir", "/tmp/x"])
    rules = (SeccompRule(names=("mkdir", "mkdirat"), action="SCMP_ACT_KILL_PROCESS"),)
    spec.linux.seccomp = Seccomp(default_action="SCMP_ACT_ALLOW", rules=rules)
    assert Container.from_spec(spec).run(timeout=60).exit_status == 128 + 31


def test_the_device_cgroup_refuses_a_disk(rootfs):
    script = "mknod /tmp/disk b 7 0 && dd if=/tmp/disk of=/dev/null count=1"
    result = run(rootfs, script)
    assert result.exit_status == 1
    assert b"Operation not permitted" in result.stderr


def test_the_default_devices_work(rootfs):
    script = "echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 1 /dev/urandom | wc -c; echo y > /dev/full"
    result = run(rootfs, script)
    assert result.text.split() == ["00", "00", "00", "00", "1"]
    assert b"No space left" in result.stderr
    names = run(rootfs, "ls /dev; readlink /dev/ptmx").text.split()
    assert {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "stdin", "pts/ptmx"} <= set(names)


def test_user_and_groups(rootfs):
    assert run(rootfs, "id -u; id -g; id -G; echo $HOME", user="ann").text.split("\n")[:4] == [
        "1000",
        "1000",
        "1000 50",
        "/home/ann",
    ]
    assert run(rootfs, "id -u; id -g; id -G", user="7:8").text.split("\n")[:3] == ["7", "8", "8"]
    assert run(rootfs, "id -G").text.strip() == "0"


def test_resource_limits_of_the_process(rootfs):
    result = run(rootfs, "ulimit -Sn; ulimit -Hn; ulimit -c", rlimits={"nofile": (50, 60), "core": 0})
    assert result.text.split() == ["50", "60", "0"]


def test_environment_and_working_folder(rootfs):
    result = run(rootfs, "env | sort; pwd", env={"A": "b=c", "EMPTY": ""}, cwd="/tmp")
    lines = result.text.splitlines()
    assert "A=b=c" in lines
    assert "EMPTY=" in lines
    assert "HOME=/root" in lines
    assert lines[-1] == "/tmp"
    assert {line.partition("=")[0] for line in lines[:-1]} == {"A", "EMPTY", "HOME", "PATH", "PWD", "SHLVL"}


def test_the_file_mode_mask_is_not_the_callers(rootfs):
    before = os.umask(0o077)
    try:
        assert run(rootfs, "umask; stat -c %a / /dev /dev/null /proc", user="ann").text.split() == [
            "0022",
            "755",
            "755",
            "666",
            "555",
        ]
    finally:
        os.umask(before)


def test_the_score_for_the_oom_killer(rootfs):
    spec = configure(str(rootfs), ["cat", "/proc/self/oom_score_adj"])
    spec.process.oom_score_adj = 500
    assert Container.from_spec(spec).run(timeout=60).text == "500\n"

"""What the eight namespaces separate, asked of the kernel from inside and from outside."""

import os
import time

import pytest

from labkit import Container
from labkit.linux.namespaces import NAMESPACES

pytestmark = pytest.mark.root

LINKS = {kind: link for kind, (_, link) in NAMESPACES.items()}


def sh(rootfs, script, **options):
    result = Container(rootfs, ["sh", "-c", script], **options).run(timeout=60)
    assert result.stderr == b""
    assert result.exit_status == 0
    return result.text


def inside(rootfs, **options):
    lines = sh(rootfs, "cd /proc/self/ns; for n in *; do echo $n $(readlink $n); done", **options).splitlines()
    return dict(line.split() for line in lines)


def outside():
    return {link: os.readlink(f"/proc/self/ns/{link}") for link in LINKS.values()}


def test_all_eight_differ_from_the_hosts(rootfs):
    found, host = inside(rootfs, namespaces=LINKS), outside()
    assert {link for link in LINKS.values() if found[link] != host[link]} == set(LINKS.values())


@pytest.mark.parametrize("kind", [kind for kind in LINKS if kind not in ("mount", "user", "time")])
def test_a_namespace_that_is_not_asked_for_is_shared(rootfs, kind):
    found, host = inside(rootfs, namespaces=[k for k in LINKS if k not in (kind, "user", "time")]), outside()
    assert {k for k, link in LINKS.items() if found[link] == host[link]} == {kind, "user", "time"}


def test_the_default_makes_all_but_user_and_time(rootfs):
    found, host = inside(rootfs), outside()
    assert {kind for kind, link in LINKS.items() if found[link] == host[link]} == {"user", "time"}


def test_the_first_process_is_number_one_and_sees_no_other(rootfs):
    assert sh(rootfs, "echo $$; ls -d /proc/[0-9]*").split() == ["1", "/proc/1"]


def test_loopback_is_up_and_alone(rootfs):
    text = sh(rootfs, "ip -o link; ping -c 1 -W 5 127.0.0.1 >/dev/null && echo pong")
    assert text.count("\n") == 2
    assert "LOOPBACK,UP" in text
    assert text.endswith("pong\n")


def test_the_host_name_is_the_containers_own(rootfs):
    before = os.uname().nodename
    assert sh(rootfs, "hostname", hostname="laboratory") == "laboratory\n"
    assert os.uname().nodename == before


def test_root_of_a_user_namespace_is_nobody_of_rank_outside(rootfs):
    ids = "cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g"
    lines = [line.split() for line in sh(rootfs, ids, namespaces=LINKS).splitlines()]
    assert lines == [["0", "100000", "65536"], ["0", "100000", "65536"], ["0"], ["0"]]
    container = Container(rootfs, ["sleep", "60"], namespaces=LINKS)
    with container.start():
        assert os.stat(f"/proc/{container.pid}").st_uid == 100_000


def test_a_user_namespace_may_have_another_user_inside(rootfs):
    assert sh(rootfs, "id -u; id -g", namespaces=LINKS, user="ann") == "1000\n1000\n"


@pytest.mark.parametrize("kinds", [None, LINKS], ids=["root", "user namespace"])
def test_the_clocks_are_shifted(rootfs, kinds):
    offsets = {"boottime": 86_400_000, "monotonic": 1000}
    uptime = float(sh(rootfs, "cat /proc/uptime", namespaces=kinds, time_offsets=offsets).split()[0])
    assert 0 <= uptime - 86_400_000 - time.clock_gettime(time.CLOCK_BOOTTIME) + 60 < 120


def test_its_cgroups_are_the_roots_it_sees(rootfs):
    paths = {line.split(":")[2] for line in sh(rootfs, "cat /proc/self/cgroup").splitlines()}
    assert "/" in paths
    assert not any("labkit" in path for path in paths)


def test_mounts_inside_do_not_show_outside(rootfs):
    with open("/proc/self/mountinfo") as file:
        before = file.read()
    with Container(rootfs, ["sleep", "60"]).start(), open("/proc/self/mountinfo") as file:
        assert file.read() == before


def test_without_a_pid_namespace_what_outlives_the_first_process_ends_with_it(rootfs):
    script = "sleep 61 >/dev/null 2>&1 & echo $!"
    pid = int(sh(rootfs, script, namespaces=["mount", "uts", "ipc", "network", "cgroup"]))
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["SetHostname", "LoopbackUp", "MaskPath", "LoadSeccomp", "EnterCgroupNamespace"])
def test_a_step_can_be_left_out(rootfs, name):
    shown = {
        "SetHostname": ("hostname", os.uname().nodename),
        "LoopbackUp": ("ip -o link | grep -c ,UP || true", "0"),
        "MaskPath": ("wc -c < /proc/timer_list | grep -c '^0$' || true", "0"),
        "LoadSeccomp": ("grep Seccomp: /proc/self/status", "Seccomp:\t0"),
        "EnterCgroupNamespace": ("grep -c labkit- /proc/self/cgroup | grep -v '^0$' && echo seen", "seen"),
    }
    script, expected = shown[name]
    container = Container(rootfs, ["sh", "-c", script], without=[name])
    assert container.run(timeout=60).text.strip().splitlines()[-1] == expected
    assert Container(rootfs, ["sh", "-c", script]).run(timeout=60).text.strip().splitlines()[-1:] != [expected]

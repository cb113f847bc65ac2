"""Who is who in a container with a user namespace: root inside is nobody outside, and others are who they should be."""

import os
import re
import shutil
import stat

import pytest
from subordinate import COUNT, FIRST, GID, NAME, UID

from labkit import Container
from labkit.linux.subids import user_name

pytestmark = pytest.mark.root
needs_mappers = pytest.mark.skipif(
    shutil.which("newuidmap") is None, reason="newuidmap is missing: sudo apt-get install uidmap"
)


@pytest.fixture
def shared(tmp_path):
    """A folder that everybody may write to, with a file of root's that nobody else may read."""
    tmp_path.chmod(0o777)
    (tmp_path / "secret").write_text("of the host's root\n")
    (tmp_path / "secret").chmod(0o600)
    return tmp_path


def outside_ids(pid):
    with open(f"/proc/{pid}/status") as file:
        return {line.split()[1] for line in file if line.startswith(("Uid:", "Gid:"))}


def test_root_inside_is_nobody_outside(rootfs, shared):
    script = "id -u; touch /data/made; cat /data/secret; chown 0 /data/secret; kill -0 1 && echo up; exec sleep 1000"
    options = {"userns": "auto", "volumes": [f"{shared}:/data"]}
    with Container(rootfs, ["sh", "-c", script], **options).start(log=True) as container:
        lines = container.logs(follow=True)
        seen = [next(lines) for _ in range(4)]
        (outside,) = outside_ids(container.pid)
        made = (shared / "made").stat()
    assert [line.strip() for line in seen if line.strip() in ("0", "up")] == ["0", "up"]
    assert sum("Permission denied" in line or "not permitted" in line for line in seen) == 2
    # No user of the host has the id, and the file belongs to that very nobody.
    assert user_name(int(outside)) == outside
    assert (made.st_uid, made.st_gid) == (int(outside), int(outside))
    assert (shared / "secret").stat().st_uid == 0


def test_it_has_every_capability_over_nothing_of_the_hosts(rootfs):
    script = "grep CapEff /proc/self/status; mknod /tmp/disk b 8 0; hostname other && hostname; date -s 2000-01-01"
    result = Container(rootfs, ["sh", "-c", script], userns="auto", cap_add=["ALL"], seccomp="none").run(timeout=60)
    effective, name = [line for line in result.text.splitlines() if line.startswith(("CapEff", "other"))]
    assert re.fullmatch(r"CapEff:\s+0+1?[13f]f+", effective)
    assert name == "other"
    for refused in ("mknod: /tmp/disk: Operation not permitted", "date: can't set date: Operation not permitted"):
        assert refused in result.stderr.decode()


def test_no_two_containers_have_the_same_ids(rootfs):
    with (
        Container(rootfs, ["sleep", "1000"], userns="auto").start() as one,
        Container(rootfs, ["sleep", "1000"], userns="auto").start() as other,
    ):
        assert outside_ids(one.pid).isdisjoint(outside_ids(other.pid))


def test_the_images_files_are_its_own_to_change_and_stay_as_they_are(rootfs):
    script = "stat -c %u:%g /etc/passwd; echo x >> /etc/passwd; chown 7 /bin && stat -c %u /bin; tail -n 1 /etc/passwd"
    before = (rootfs / "etc/passwd").read_text()
    result = Container(rootfs, ["sh", "-c", script], userns="auto").run(timeout=60)
    assert (result.text.split(), result.stderr) == (["0:0", "7", "x"], b"")
    assert (rootfs / "etc/passwd").read_text() == before
    assert (rootfs / "bin").stat().st_uid == 0


def test_maps_are_as_they_are_given(labkit, rootfs):
    maps = "0:100000:10,10:200000:5/0:300000:20"
    script = "cat /proc/self/uid_map /proc/self/gid_map"
    ended = labkit("run", "--rootfs", rootfs, "--userns", maps, "--", "sh", "-c", script)
    assert ended.stdout.split() == "0 100000 10 10 200000 5 0 300000 20".split()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("0:100000:10,5:200000:10", "overlaps"),
        ("0:100000:10,10:100005:10", "overlaps"),
        ("0:100000", "is not understood"),
        ("0:100000:4294967296", "beyond the highest id"),
        ("0:4294967290:100", "beyond the highest id"),
        ("0:100000:0", "must be at least 1"),
        ("5:100000:10", "0 is not in the user namespace's map"),
    ],
)
def test_a_map_that_cannot_be_is_one_line(labkit, rootfs, given, words):
    ended = labkit("run", "--rootfs", rootfs, "--userns", given, "--", "true")
    message, hint = ended.stderr.splitlines()
    assert ended.returncode == 125
    assert words in message
    assert hint.startswith("hint: ")


def test_without_a_user_namespace_root_is_root(labkit, rootfs):
    ended = labkit("run", "--rootfs", rootfs, "--userns", "host", "--", "cat", "/proc/self/uid_map")
    assert ended.stdout.split() == ["0", "0", "4294967295"]


@needs_mappers
def test_an_ordinary_user_has_all_its_subordinate_ids(user, own_rootfs):
    script = "cat /proc/self/uid_map /proc/self/gid_map; touch /data/mine; chown 1000:50 /data/mine; id"
    os.makedirs(f"{user.home}/data", exist_ok=True)
    os.chown(f"{user.home}/data", UID, GID)
    ended = user.labkit(
        "run",
        "--rootfs",
        own_rootfs,
        "--userns",
        "auto",
        "--volume",
        f"{user.home}/data:/data",
        "--",
        "sh",
        "-c",
        script,
    )
    assert ended.stderr == ""
    words = ended.stdout.split()
    assert words[:12] == [str(n) for n in (0, UID, 1, 1, FIRST, COUNT, 0, GID, 1, 1, FIRST, COUNT)]
    made = os.stat(f"{user.home}/data/mine")
    assert (made.st_uid, made.st_gid) == (FIRST + 999, FIRST + 49)


@needs_mappers
def test_so_it_does_from_python(user, own_rootfs):
    script = f"""
import sys; sys.path.insert(0, sys.argv[1])
from labkit import Container
print(Container({str(own_rootfs)!r}, ["cat", "/proc/self/uid_map"], userns="auto").run(timeout=60).text)
"""
    ended = user.run([user.python, "-c", script, f"{user.home}/python"])
    assert ended.stderr == ""
    assert ended.stdout.split() == [str(n) for n in (0, UID, 1, 1, FIRST, COUNT)]


@needs_mappers
def test_it_can_be_another_user_with_that_ones_groups(user, own_rootfs):
    ended = user.labkit("run", "--rootfs", own_rootfs, "--userns", "auto", "--user", "ann", "--", "id")
    assert (ended.stderr, ended.stdout) == ("", "uid=1000(ann) gid=1000(ann) groups=50(staff)\n")


@pytest.mark.parametrize("given", [f"0:{FIRST}:{COUNT + 1}", f"0:{UID}:2", "0:0:1", f"0:{FIRST}:10,10:{UID + 1}:1"])
def test_what_it_may_not_map_is_said_with_what_it_may(user, own_rootfs, given):
    ended = user.labkit("run", "--rootfs", own_rootfs, "--userns", given, "--", "true")
    message, hint = ended.stderr.splitlines()
    assert ended.returncode == 125
    assert f"exceeds what you may map: {UID}, {FIRST}-{FIRST + COUNT - 1} (/etc/subuid)" in message
    assert "usermod --add-subuids" in hint
    assert NAME in hint
    assert os.listdir(f"{user.home}/run/labkit/containers") == []


def test_one_who_has_no_subordinate_ids_is_told_how_to_get_them(user, own_rootfs):
    words = user.command("run", "--rootfs", own_rootfs, "--userns", "auto", "--", "true")
    ended = user.run(words, over=[("/dev/null", "/etc/subuid")])
    message, hint = ended.stderr.splitlines()
    assert f"/etc/subuid gives you no ids: there is your own alone, {UID}" in message
    assert "usermod --add-subuids" in hint


@needs_mappers
def test_a_host_without_newuidmap_is_told_what_to_install(user, own_rootfs):
    assert stat.S_ISREG(os.stat("/usr/bin/newuidmap").st_mode)
    words = user.command("run", "--rootfs", own_rootfs, "--userns", "auto", "--", "true")
    ended = user.run(words, over=[("/dev/null", "/usr/bin/newuidmap")])
    assert ended.stderr.splitlines() == [
        "labkit: newuidmap is not installed, which maps more than one's own id",
        "hint: sudo apt-get install uidmap",
    ]
    assert os.listdir(f"{user.home}/run/labkit/containers") == []

"""Using up what the host has one of: processes, memory by files and inodes, descriptors.

Each is a bounded attempt, at what a container may have; that it stops there is what is to be seen. What defends: the
cgroups' limits (pids(7) of the kernel's cgroup documentation, memory), to which files of a tmpfs and their inodes
count as well; and SetRlimit. None of these is set unless it is asked for.
"""

import pytest

pytestmark = pytest.mark.root

FORK = """
n=0
while [ $n -lt 60 ]; do
    (exec sleep 60) 2>/dev/null &
    n=$((n + 1))
done
ls -d /proc/[0-9]* | wc -l
"""
# In the shell's own process, so that it is this one which has them open.
OPEN = """
import os
files = []
try:
    while len(files) < 200:
        files.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(error.strerror)
print(len(files))
"""


def test_a_fork_bomb(attack, own_rootfs):
    limited = attack(own_rootfs, ["sh", "-c", FORK], pids=20)
    # A shell that cannot fork ends with an error.
    assert limited.status != 0 or int(limited.stdout) <= 20
    assert "fork" in limited.stderr
    assert int(attack(own_rootfs, ["sh", "-c", FORK], pids=20, limits=False).stdout) > 60


def test_descriptors(attack, own_rootfs, python):
    options = {"volumes": python.volumes, "rlimits": {"nofile": 64}}
    words = attack(own_rootfs, python(OPEN), **options).stdout.split("\n")
    assert words[0] == "Too many open files"
    assert int(words[1]) <= 64
    assert attack(own_rootfs, python(OPEN), without=["SetRlimit"], **options).stdout == "200\n"


@pytest.mark.parametrize(
    "script",
    [
        "dd if=/dev/zero of=/tmp/large bs=1M count=24 && echo all of it",
        "mkdir /tmp/many && cd /tmp/many && seq 1 30000 | xargs touch && echo all of it",
    ],
    ids=["files", "inodes"],
)
def test_memory_by(attack, own_rootfs, script):
    """What is written to the container's root is in memory, and so is each inode."""
    limited = attack(own_rootfs, ["sh", "-c", script], memory="16M")
    assert limited.status != 0
    assert limited.stdout == ""
    assert attack(own_rootfs, ["sh", "-c", script], memory="16M", limits=False).stdout == "all of it\n"


def test_a_filesystem_of_its_own_size(attack, own_rootfs):
    """/dev/shm and /dev have one, as `runc spec` has it."""
    script = "dd if=/dev/zero of=/dev/shm/large bs=1M count=65"
    assert "No space left on device" in attack(own_rootfs, ["sh", "-c", script]).stderr

"""Containers of a caller that is in a cgroup itself, and of an ordinary user to whom one was delegated."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import labkit
from labkit.cgroups.detect import detect
from labkit.linux.cgroupfs import remove_cgroup

pytestmark = pytest.mark.root

UID = GID = 54_323
PACKAGE = Path(labkit.__file__).parent
# Joins the cgroups that it is given and becomes the user, then the program.
CALLER = """
import os, sys
user, cgroups, *argv = sys.argv[1:]
for cgroup in cgroups.split():
    with open(f"{cgroup}/cgroup.procs", "w") as members:
        members.write("0")
if user != "0":
    os.setgroups([])
    os.setresgid(*[int(user)] * 3)
    os.setresuid(*[int(user)] * 3)
os.execv(argv[0], argv)
"""
MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.cli import main; sys.exit(main())"


@pytest.fixture
def outer():
    """A cgroup in the tree of each of some controllers, and one in it for the caller; all can be limited."""
    made = []

    def make(*controllers):
        layout = detect()
        trees = {layout.of(name) for name in controllers}
        if None in trees:
            pytest.skip(f"this host lacks one of the cgroup controllers {', '.join(controllers)}")
        for tree in trees:
            folder = f"{tree.mount}/labkit-test-nested-{os.getpid()}"
            if tree.version == 2:
                Path(f"{tree.mount}/cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))
            os.makedirs(f"{folder}/caller")
            made.append(folder)
        return list(made)

    yield make
    for folder in made:
        remove_cgroup(folder)


def caller(cgroups, *words, user=0, python=sys.executable, package=PACKAGE.parent, **options):
    joined = " ".join(f"{one}/caller" for one in cgroups)
    argv = [python, "-c", CALLER, str(user), joined, python, "-c", MAIN, str(package)]
    options = {"capture_output": True, "text": True, "timeout": 60, "stdin": subprocess.DEVNULL} | options
    return subprocess.run([*argv, *words], **options)


def test_a_container_is_below_the_limits_of_its_caller(outer, rootfs):
    (folder,) = outer("pids")
    # Those of the command line and of its spawner count as well.
    Path(f"{folder}/pids.max").write_text("12")
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait"
    done = caller([folder], "run", "--rootfs", str(rootfs), "--", "sh", "-c", script)
    assert "can't fork" in done.stderr
    # v2 counts what was refused by an ancestor's limit there, v1 where it was asked for.
    assert done.returncode != 0


def test_a_container_is_beside_or_below_its_caller_and_goes_with_its_end(outer, rootfs):
    (folder,) = outer("pids")
    script = "cat /host/self/cgroup"
    shown = ["--volume", "/proc:/host:ro", "--without", "EnterCgroupNamespace", "--pids", "20"]
    done = caller([folder], "run", "--id", "nested", "--rootfs", str(rootfs), *shown, "--", "sh", "-c", script)
    place = "caller/labkit-nested" if detect().of("pids").version == 1 else "labkit-nested"
    assert f"/{os.path.basename(folder)}/{place}" in done.stdout, done.stderr
    assert not os.path.exists(f"{folder}/{place}")


@pytest.fixture
def home():
    """The package where the user can read it, and folders of the user's own."""
    folder = Path(tempfile.mkdtemp(prefix="labkit-test-home-"))
    folder.chmod(0o755)
    shutil.copytree(PACKAGE, folder / "python/labkit", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "run").mkdir(mode=0o700)
    os.chown(folder / "run", UID, GID)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def as_user(home, rootfs):
    """A function that runs a script in a container of an ordinary user who is in some cgroups."""
    if shutil.which("python3", path="/usr/bin") is None:
        pytest.skip("there is no /usr/bin/python3, which every user may run")
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": f"{home}/run", "PATH": "/usr/bin:/bin"}

    def run(cgroups, script, *options):
        words = ["run", *options, "--rootfs", str(rootfs), "--", "sh", "-c", script]
        where = {"user": UID, "python": "/usr/bin/python3", "package": home / "python", "env": environment, "cwd": "/"}
        return caller(cgroups, *words, **where)

    return run


HOG = "dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; echo $?"


def test_a_user_to_whom_a_cgroup_was_delegated_limits_containers(outer, as_user):
    folders = outer("memory", "pids")
    for folder in folders:
        # What systemd hands to a user (cgroup-v2.rst, Delegation).
        for file in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks", "caller"):
            if os.path.exists(f"{folder}/{file}"):
                os.chown(f"{folder}/{file}", UID, GID)
        for file in os.listdir(f"{folder}/caller"):
            os.chown(f"{folder}/caller/{file}", UID, GID)
    done = as_user(folders, HOG, "--memory", "32M", "--pids", "20")
    assert (done.stdout, done.returncode) == ("137\n", 0), done.stderr
    assert not [name for name in os.listdir(folders[0]) if name.startswith("labkit-")]


@pytest.mark.parametrize(("option", "file"), [("--memory", "memory"), ("--pids", "pids.max")])
def test_a_user_to_whom_none_was_delegated_is_told(outer, as_user, option, file):
    folders = outer("memory", "pids")
    done = as_user(folders, "echo ran", option, "33554432" if option == "--memory" else "20")
    assert (done.stdout, done.returncode) == ("", 125)
    first, second = done.stderr.splitlines()
    assert file in first
    assert "is not delegated to this user" in first
    assert second.startswith("hint: run as root, or")

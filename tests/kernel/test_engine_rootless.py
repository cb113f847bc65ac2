"""An ordinary user, whom the kernel gives a user namespace and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import labkit
from labkit.spec import default

pytestmark = pytest.mark.root

UID, GID = 54_321, 54_322
PACKAGE = Path(labkit.__file__).parent
MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.cli import main; sys.exit(main())"
SCRIPT = """
import sys; sys.path.insert(0, sys.argv[1])
from labkit import Container
for number in range(3):
    result = Container(sys.argv[2], ["sh", "-c", f"id -u; exit {number}"]).run(timeout=60)
    print(result.exit_status, result.text.strip())
"""
LIFE = """
import json, sys; sys.path.insert(0, sys.argv[1])
from labkit import Container
from labkit.errors import LabkitError

def result(call):
    try:
        return call()
    except LabkitError as error:
        return [error.message, error.hint]

said = {"statuses": []}
with Container(sys.argv[2], ["sleep", "60"], id="life") as container:
    for act in (lambda: None, container.create, container.start, container.kill, lambda: container.wait(30)):
        said["exit status"] = act()
        if act != container.kill:
            said["statuses"].append(container.status)
        if container.status == "created":
            said["exec in created"] = result(lambda: container.exec(["true"]).exit_status)
        if act == container.start:
            said["exec"] = container.exec(["sh", "-c", "id -u; cat /proc/1/cmdline; exit 3"]).text
            for name in ("stats", "pause", "resume"):
                said[name] = result(getattr(container, name))
            said["update"] = result(lambda: container.update(memory="64M"))
with Container(sys.argv[2], ["sh", "-c", "echo one; echo two"]).start(log=True) as logged:
    said["logs"] = list(logged.logs(follow=True))
print(json.dumps(said))
"""

CLOSED = """
import os, sys; sys.path.insert(0, sys.argv[1])
from labkit.linux.namespaces import CLONE_NEWUSER, unshare
unshare(CLONE_NEWUSER)
sys.stdin.readline()
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
uid, gid, *argv = sys.argv[2:]
os.setgroups([])
os.setresgid(*[int(gid)] * 3)
os.setresuid(*[int(uid)] * 3)
os.execv(argv[0], argv)
"""


def as_user(argv, home, **options):
    def become():
        os.setgroups([])
        os.setresgid(GID, GID, GID)
        os.setresuid(UID, UID, UID)

    environment = {"HOME": home, "XDG_RUNTIME_DIR": f"{home}/run", "PATH": "/usr/bin:/bin"}
    options = {"preexec_fn": become, "env": environment, "cwd": "/", "capture_output": True, "text": True} | options
    return subprocess.run(argv, timeout=60, **options)


@pytest.fixture(scope="module")
def home():
    """A home and a runtime folder of the user's own, and the package where the user can read it."""
    folder = Path(tempfile.mkdtemp(prefix="labkit-test-home-"))
    shutil.copytree(PACKAGE, folder / "python/labkit", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "run").mkdir(mode=0o700)
    for place in (folder, folder / "run"):
        os.chown(place, UID, GID)
    yield str(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def python(home):
    """An interpreter that this user may run; one below /root is not."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        try:
            if as_user([candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], home).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.skip("no Python of at least 3.11 on this host that an ordinary user may run")


@pytest.fixture
def run(python, home):
    if as_user(["unshare", "-U", "true"], home).returncode:
        pytest.skip("this host lets no ordinary user make a user namespace")

    def run(*arguments):
        return as_user([python, "-c", MAIN, f"{home}/python", "run", *map(str, arguments)], home)

    return run


def test_user_0_inside_is_the_user_outside(run, rootfs):
    ended = run("--rootfs", rootfs, "--", "sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/gid_map")
    assert ended.stderr == ""
    assert ended.stdout.split() == ["0", "0", "0", str(UID), "1", "0", str(GID), "1"]


def test_what_it_writes_to_a_volume_belongs_to_the_user(run, rootfs, home):
    ended = run(
        "--rootfs", rootfs, "--volume", f"{home}/run:/data", "--", "sh", "-c", "touch /data/made; ls -ln /data/made"
    )
    assert ended.stderr == ""
    assert ended.stdout.split()[2:4] == ["0", "0"]
    made = Path(home, "run/made")
    assert (made.stat().st_uid, made.stat().st_gid) == (UID, GID)
    made.unlink()


def test_it_is_isolated_as_roots_containers_are(run, rootfs):
    script = "ls -d /proc/[0-9]*; ip -o link | wc -l; hostname; ls /; grep -e Seccomp: -e NoNew /proc/self/status"
    ended = run("--rootfs", rootfs, "--hostname", "h", "--", "sh", "-c", script)
    assert ended.stderr == ""
    words = ended.stdout.split()
    assert words[:3] == ["/proc/1", "1", "h"]
    assert words[3:10] == "bin dev etc proc root sys tmp".split()
    assert words[10:] == ["NoNewPrivs:", "1", "Seccomp:", "2"]


def test_devices_work(run, rootfs):
    ended = run("--rootfs", rootfs, "--", "sh", "-c", "echo x > /dev/null; head -c 2 /dev/zero | wc -c")
    assert (ended.stderr, ended.stdout) == ("", "2\n")


def test_clocks_can_be_shifted(run, rootfs):
    ended = run("--rootfs", rootfs, "--time-offset", "boottime=86400000", "--", "cat", "/proc/uptime")
    assert ended.stderr == ""
    assert float(ended.stdout.split()[0]) > 86_400_000


@pytest.mark.parametrize("kinds", ["mount,pid,uts,ipc,cgroup", "mount,uts,ipc,network,cgroup", "mount"])
def test_proc_and_sys_are_there_without_the_namespaces_they_show(run, rootfs, kinds):
    ended = run(
        "--rootfs",
        rootfs,
        "--namespaces",
        kinds,
        "--",
        "sh",
        "-c",
        "ls /proc/self/ns /sys/class >/dev/null && echo yes",
    )
    assert (ended.stderr, ended.stdout) == ("", "yes\n")


def test_the_overlay_takes_writes(run, rootfs):
    ended = run("--rootfs", rootfs, "--", "sh", "-c", "echo x > /new; cat /new")
    assert (ended.stderr, ended.stdout) == ("", "x\n")
    assert not (rootfs / "new").exists()


def test_containers_from_python_leave_nothing(python, home, run, rootfs):
    ended = as_user([python, "-c", SCRIPT, f"{home}/python", str(rootfs)], home)
    assert ended.stderr == ""
    assert ended.stdout == "0 0\n1 0\n2 0\n"
    assert os.listdir(f"{home}/run/labkit/containers") == []


@pytest.fixture
def life(python, home, run, rootfs):
    """What a container's life from Python is for this user."""
    ended = as_user([python, "-c", LIFE, f"{home}/python", str(rootfs)], home)
    assert ended.stderr == ""
    assert os.listdir(f"{home}/run/labkit/containers") == []
    return json.loads(ended.stdout)


def test_the_life_of_a_container_from_python(life):
    assert life["statuses"] == ["planned", "created", "running", "stopped"]
    assert life["exit status"] == 128 + 9
    assert life["exec"] == "0\nsleep\x0060\x00"
    assert life["logs"] == ["one", "two"]


def test_from_python_what_takes_a_cgroup_or_privilege_is_said_in_one_line(life):
    message, hint = life["exec in created"]
    assert message.endswith("an ordinary user cannot exec in this created container")
    assert hint.startswith("start it first")
    if not isinstance(life["stats"], list):
        pytest.skip("this user's cgroup is delegated, so its containers can be counted and limited")
    assert life["stats"] == ["container life has no cgroup that counts", "labkit doctor shows the controllers"]
    assert "no cgroup that can be frozen" in life["pause"][0]
    assert "no cgroup that can be frozen" in life["resume"][0]
    assert "cannot be set" in life["update"][0]
    assert all(hint for _, hint in (life["pause"], life["resume"], life["update"]))


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--user", "1000"], "1000 is not in the user namespace's map"), (["--memory", "64M"], "cannot be set")],
)
def test_what_an_ordinary_user_cannot_have_is_said(run, rootfs, options, word):
    ended = run("--rootfs", rootfs, *options, "--", "true")
    if ended.returncode == 0:
        pytest.skip("this user's cgroup is delegated, so it can have this limit")
    message, hint = ended.stderr.splitlines()
    assert ended.returncode == 125
    assert word in message
    assert hint.startswith("hint: ")


def test_an_unreadable_root_filesystem(run, rootfs):
    closed = Path(tempfile.mkdtemp(prefix="labkit-test-closed-"))
    try:
        ended = run("--rootfs", closed, "--", "true")
    finally:
        closed.rmdir()
    message, hint = ended.stderr.splitlines()
    assert ended.returncode == 125
    assert "Permission denied" in message
    assert "searchable" in hint


def test_a_host_without_user_namespaces_is_explained(python, home, rootfs):
    """The sysctl is of each user namespace: inside one, it is set to 0 without touching the host (namespaces(7))."""
    argv = [sys.executable, "-c", CLOSED, str(PACKAGE.parent), str(UID), str(GID)]
    argv += [python, "-c", MAIN, f"{home}/python", "run", "--rootfs", str(rootfs), "--", "true"]
    environment = {"HOME": home, "XDG_RUNTIME_DIR": f"{home}/run", "PATH": "/usr/bin:/bin"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(argv, env=environment, text=True, cwd="/", **pipes)
    own = os.readlink("/proc/self/ns/user")
    end = time.monotonic() + 30
    while os.readlink(f"/proc/{process.pid}/ns/user") == own:
        assert time.monotonic() < end
        time.sleep(0.005)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{process.pid}/{name}").write_text("0 0 65536")
    stdout, stderr = process.communicate("go\n", timeout=60)
    ended = subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)
    message, hint = ended.stderr.splitlines()
    assert ended.returncode == 125
    assert "lets no ordinary user make a user namespace" in message
    assert "max_user_namespaces" in hint
    assert os.listdir(f"{home}/run/labkit/containers") == []


def test_a_bundle_without_user_namespace_needs_root(python, home, run, rootfs):
    bundle = Path(home, "bundle")
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(default.spec(str(rootfs), ("true",)).dump()))
    ended = run("--bundle", bundle)
    assert ended.returncode == 125
    assert "need root" in ended.stderr.splitlines()[0]

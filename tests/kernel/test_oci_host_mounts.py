"""Containers without a mount namespace: they have their mounts, and the runtime's mount namespace is as it was after.

Which is one that the test makes, so that a fault of what is tested does no harm.
"""

import json
import os
import re
import select
import shutil
import subprocess
import sys
import time

import pytest

import labkit
from labkit.engine import state
from labkit.spec import default
from labkit.spec.model import IdMapping, Mount, Namespace

pytestmark = pytest.mark.root

DEADLINE = 30.0
PACKAGE = os.path.dirname(os.path.dirname(labkit.__file__))
OCI = [sys.executable, "-c", "from labkit.oci.launch import main; main()"]
LABKIT = [sys.executable, "-c", "import sys; from labkit.cli import main; sys.exit(main())"]


class Tree:
    """A process with a mount namespace of its own, made from that of `prefix`."""

    def __init__(self, *prefix):
        command = [*prefix, "unshare", "-m", "--propagation", "unchanged", "sh", "-c", "echo ready; exec cat"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        # By env(1), since nsenter(1) leaves the working folder.
        self.inside = ["nsenter", "-m", "-t", str(self.process.pid), "env", "-C", PACKAGE]

    def run(self, *words):
        return subprocess.run([*self.inside, *map(str, words)], check=True, capture_output=True, text=True)

    def mounts(self):
        with open(f"/proc/{self.process.pid}/mountinfo") as file:
            return file.read().splitlines()

    def end(self):
        self.process.communicate()


class Runtime:
    """`labkit-oci` in the mount namespace of `tree`, with bundles and states of its own."""

    def __init__(self, tree, rootfs, place):
        self.tree, self.rootfs, self.place, self.states = tree, rootfs, place, str(place / "states")
        self.made = []

    def bundle(self, id, *args, kinds=(), mounts=(), change=None):
        spec = default.spec(str(self.rootfs), args or ("sleep", "600"))
        spec.linux.namespaces = tuple(Namespace(kind=kind) for kind in kinds)
        spec.linux.cgroups_path = f"/labkit-test-{os.getpid()}-{id}"
        spec.hostname = ""
        spec.mounts += tuple(mounts)
        if change:
            change(spec)
        (self.place / id).mkdir()
        (self.place / id / "config.json").write_text(json.dumps(spec.dump()))
        self.made.append(id)
        return str(self.place / id)

    def popen(self, *words, **options):
        silent = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.Popen([*self.tree.inside, *OCI, "--root", self.states, *words], **(silent | options))

    def __call__(self, *words):
        """The exit status, and what was said on stdout and stderr, to files that a container may keep open."""
        with open(self.place / "out", "wb") as out, open(self.place / "err", "wb") as err:
            status = self.popen(*words, stdout=out, stderr=err).wait(DEADLINE)
        return status, (self.place / "out").read_text(), (self.place / "err").read_text()

    def run(self, *args, **options):
        """What the container has written that runs `args` to the end."""
        status, out, err = self("run", "--bundle", self.bundle("ran", *args, **options), "ran")
        assert (status, err) == (0, "")
        return out

    def start(self, id, *args, **options):
        assert self("run", "--detach", "--bundle", self.bundle(id, *args, **options), id) == (0, "", "")
        return state.load(id, self.states)

    def place_of(self, id):
        return f"{self.states}/{id}/root"

    def left(self):
        return os.listdir(self.states) if os.path.isdir(self.states) else []


@pytest.fixture
def rootfs(busybox_rootfs, tmp_path):
    """A root filesystem that a test may spoil."""
    os.chmod(tmp_path, 0o755)
    return shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)


@pytest.fixture(params=["private", "shared"])
def tree(request):
    """The runtime's mount namespace, whose mounts all have the propagation of the parameter."""
    made = Tree("unshare", "-m")
    made.run("mount", f"--make-r{request.param}", "/")
    yield made
    made.end()


@pytest.fixture
def peer(tree):
    """A mount namespace in which is seen what is made in the runtime's, where that is shared."""
    made = Tree(*tree.inside)
    yield made
    made.end()


@pytest.fixture
def oci(tree, rootfs, tmp_path):
    runtime = Runtime(tree, rootfs, tmp_path)
    yield runtime
    for id in runtime.made:
        runtime("delete", "--force", id)


def points(mounts):
    return [line.split()[4] for line in mounts]


def groups(mounts):
    """The peer groups of the mounts that are shared."""
    return {field for line in mounts for field in line.split() if field.startswith("shared:")}


@pytest.mark.parametrize("kinds", [(), ("pid", "ipc", "network", "uts", "cgroup")])
def test_it_has_its_mounts_and_the_runtime_has_none_of_them_afterwards(oci, tree, kinds):
    before = tree.mounts()
    script = "readlink /proc/self/ns/mnt; test -c /proc/keys && test -c /dev/null; echo $?; cat /proc/self/mountinfo"
    namespace, masked, *inside = oci.run("sh", "-c", script, kinds=kinds).splitlines()
    assert namespace == os.readlink(f"/proc/{tree.process.pid}/ns/mnt")
    assert masked == "0"
    assert {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/proc/keys", "/proc/sys"} <= set(points(inside))
    assert tree.mounts() == before
    assert oci.left() == []


def test_while_it_runs_all_of_them_hang_below_the_one_in_its_state_folder(oci, tree, peer):
    before, beside = tree.mounts(), peer.mounts()
    oci.start("one")
    during = tree.mounts()
    assert during[: len(before)] == before
    made = points(during[len(before) :])
    assert made[0] == oci.place_of("one")
    assert len(made) > 5
    assert all(point.startswith(made[0]) for point in made)
    assert not any(" shared:" in line for line in during[len(before) :])
    # What is mounted on a shared mount shows elsewhere; what is then mounted in it does not, nor what is on the host's.
    copies = [line for line in peer.mounts() if line not in beside]
    assert set(points(copies)) <= {made[0]}
    assert not groups(copies) & groups(before)
    assert oci("delete", "--force", "one") == (0, "", "")
    assert (tree.mounts(), peer.mounts(), oci.left()) == (before, beside, [])


def test_two_of_one_root_filesystem_keep_apart(oci, tree):
    before = tree.mounts()
    oci.start("one")
    oci.start("two")
    assert oci("delete", "--force", "one") == (0, "", "")
    status, out, _ = oci("exec", "two", "cat", "/proc/self/mountinfo")
    assert status == 0
    assert {"/", "/proc", "/dev"} <= set(points(out.splitlines()))
    assert oci("delete", "--force", "two") == (0, "", "")
    assert tree.mounts() == before


def test_one_that_is_created_and_started_is_gone_when_it_is_deleted(oci, tree):
    before = tree.mounts()
    assert oci("create", "--bundle", oci.bundle("one", "sleep", "0"), "one") == (0, "", "")
    assert oci.place_of("one") in points(tree.mounts())
    pidfd = os.pidfd_open(state.load("one", oci.states).pid)
    assert oci("start", "one")[0] == 0
    assert select.select([pidfd], [], [], DEADLINE)[0]
    os.close(pidfd)
    assert oci("delete", "one") == (0, "", "")
    assert (tree.mounts(), oci.left()) == (before, [])


@pytest.mark.parametrize(
    ("args", "mount"),
    [
        (("no-such-program",), None),
        (("true",), Mount(destination="/tmp", kind="tmpfs", options=("size=bogus",))),
        (("true",), Mount(destination="/tmp", source="/no/such", options=("rbind",))),
    ],
)
@pytest.mark.parametrize("verb", ["create", "run"])
def test_one_that_cannot_be_made_leaves_nothing(oci, tree, verb, args, mount):
    before = tree.mounts()
    status, out, err = oci(verb, "--bundle", oci.bundle("one", *args, mounts=[mount] if mount else []), "one")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert (tree.mounts(), oci.left()) == (before, [])


@pytest.mark.parametrize("way", ["delete", "gc"])
def test_what_a_killed_runtime_has_left_is_removed(oci, tree, peer, way):
    before, beside = tree.mounts(), peer.mounts()
    with oci.popen("run", "--bundle", oci.bundle("one"), "one") as runtime:
        end = time.monotonic() + DEADLINE
        while "one" not in oci.left() or state.load("one", oci.states).status() != "running":
            assert time.monotonic() < end
            select.select([], [], [], 0.01)
        runtime.kill()
    assert oci.place_of("one") in points(tree.mounts())
    if way == "gc":
        tree.run(*LABKIT, "gc", "--root", oci.states)
    else:
        assert oci("delete", "--force", "one") == (0, "", "")
    assert (tree.mounts(), peer.mounts(), oci.left()) == (before, beside, [])


def test_a_root_that_is_read_only_stays_writable_on_the_host(oci, tree, rootfs):
    def read_only(spec):
        spec.root.readonly = True

    before = tree.mounts()
    oci.start("one", change=read_only)
    assert oci("exec", "one", "touch", "/file")[0] == 1
    assert oci("exec", "one", "touch", "/dev/shm/file")[0] == 0
    tree.run("touch", rootfs / "file")
    assert oci("delete", "--force", "one")[0] == 0
    assert tree.mounts() == before


def test_what_is_mounted_in_it_shows_nowhere_on_the_host(oci, tree, peer, tmp_path, rootfs):
    """With the root filesystem a mount that has one in it, and what is bound another such."""
    folders = [rootfs, rootfs / "tmp/below", tmp_path / "data", tmp_path / "data/below"]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        kind = ["--rbind", folder] if folder == rootfs else ["-t", "tmpfs", "none"]
        tree.run("mount", *kind, folder)
        tree.run("mkdir", "-p", folder / "below")
    tree.run("touch", tmp_path / "data/below/file")
    before, beside = tree.mounts(), peer.mounts()
    mounts = [
        Mount(destination="/data", source=str(tmp_path / "data"), options=("rbind", "rshared")),
        Mount(destination="/data/below/below", kind="tmpfs"),
    ]

    def privileged(spec):
        for name in ("bounding", "effective", "permitted"):
            setattr(spec.process.capabilities, name, ("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"))

    script = "mkdir /data/more && mount -t tmpfs none /data/more; exec sleep 600"
    oci.start("one", "sh", "-c", script, mounts=mounts, change=privileged)
    end = time.monotonic() + DEADLINE
    while f"{oci.place_of('one')}/data/more" not in points(tree.mounts()):
        assert time.monotonic() < end
        select.select([], [], [], 0.01)
    assert [line for line in tree.mounts() if oci.place_of("one") not in line] == before
    assert oci("exec", "one", "ls", "/data/below/file", "/tmp/below")[0] == 0
    assert oci("delete", "--force", "one")[0] == 0
    assert (tree.mounts(), peer.mounts()) == (before, beside)


def test_what_the_host_has_bound_from_it_stays_mounted(oci, tree, tmp_path):
    for folder in (tmp_path / "data", tmp_path / "data/below"):
        tree.run("mkdir", "-p", folder)
        tree.run("mount", "-t", "tmpfs", "none", folder)
    (tmp_path / "other").mkdir()
    oci.start("one", mounts=[Mount(destination="/data", source=str(tmp_path / "data"), options=("rbind", "rshared"))])
    tree.run("mount", "--rbind", f"{oci.place_of('one')}/data", tmp_path / "other")
    before = [line for line in tree.mounts() if oci.place_of("one") not in line]
    assert f"{tmp_path}/other/below" in points(before)
    assert oci("delete", "--force", "one")[0] == 0
    assert points(tree.mounts()) == points(before)


def test_no_link_of_the_image_leads_a_mount_out_of_it(oci, tree, tmp_path, rootfs):
    outside = tmp_path / "outside"
    outside.mkdir()
    (rootfs / "link").symlink_to(outside)
    (rootfs / "up").symlink_to("../outside")
    before = tree.mounts()
    mounts = [Mount(destination=f"/{name}/x", kind="tmpfs") for name in ("link", "up")]
    oci.start("one", mounts=mounts)
    assert all(point.startswith(oci.place_of("one")) for point in points(tree.mounts()[len(before) :]))
    assert os.listdir(outside) == []
    assert oci("delete", "--force", "one")[0] == 0
    assert tree.mounts() == before


def test_its_terminal_is_its_console(oci, tree):
    def with_terminal(spec):
        spec.process.terminal = True

    before = tree.mounts()
    bundle = oci.bundle("one", "sh", "-c", "cat /proc/mounts; read line", change=with_terminal)
    ours, theirs = os.openpty()
    with oci.popen("run", "--bundle", bundle, "one", **dict.fromkeys(("stdin", "stdout", "stderr"), theirs)):
        os.close(theirs)
        said = b""
        while not re.search(rb"^devpts /dev/console devpts ", said, re.MULTILINE):
            assert select.select([ours], [], [], DEADLINE)[0], said
            said += os.read(ours, 65536)
        os.write(ours, b"\n")
    os.close(ours)
    assert (tree.mounts(), oci.left()) == (before, [])


def at_the_top(spec):
    spec.root.path = "/"


def with_maps(spec):
    spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)


@pytest.mark.parametrize(
    ("pointer", "options"),
    [
        ("/root/path", {"change": at_the_top}),
        ("/mounts/7/source", {"mounts": [Mount(destination="/host", source="/", options=("rbind",))]}),
        ("/mounts/7/destination", {"mounts": [Mount(destination="/../../etc", kind="tmpfs")]}),
        ("/mounts", {"kinds": ["user"], "change": with_maps}),
    ],
)
def test_what_cannot_be_done_there_is_pointed_to_in_one_line(oci, tree, pointer, options):
    before = tree.mounts()
    status, out, err = oci("create", "--bundle", oci.bundle("one", **options), "one")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert f"config.json#{pointer}: " in err
    assert (tree.mounts(), oci.left()) == (before, [])

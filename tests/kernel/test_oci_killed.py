"""`labkit-oci create` killed with SIGKILL at each of its steps: afterwards all of it can be removed."""

import itertools
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time

import pytest

import labkit
from labkit.cgroups.detect import detect
from labkit.engine.prepare import prepare
from labkit.plan.manner import Manner
from labkit.spec import default
from labkit.spec.load import load_bundle
from labkit.spec.model import IdMapping, Namespace, Resources

pytestmark = pytest.mark.root

DEADLINE = 10.0
PACKAGE = os.path.dirname(os.path.dirname(labkit.__file__))
OCI = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, sys.argv.pop(1)); "]
RUN = "from labkit.oci.launch import main; main()"
# `create`, which kills itself at a place of its own, or stops its child at one of the child's, tells the test which
# process that is, and lets it go on when the test answers.
DRIVER = """
from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM, socket
who, place, address = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
from labkit.engine import parent
from labkit.linux import kernel, os
from labkit.plan import hold, hook, idmap, interfaces, join, nodes, plan, propagation
from labkit.plan import namespaces, roots, scheduling, sysctl, terminal
from labkit.plan.step import STEPS
creator = os.getpid()
known = []

def reached():
    if who == "parent":
        os.kill(creator, 9)
    channel.send(known[0].encode())
    channel.recv(1)

def stopping(name, step):
    apply = step.apply
    def stop(self, scene):
        global channel
        mine = os.getpid() == creator
        if mine and name == "MakeStateFolder" and who == "child":
            # Not before: what is open when it begins is not for the container, and closed.
            channel = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC)
            channel.connect(address)
        if not mine and not known:
            # As the host numbers it; for a child, whose own procfs is not mounted yet.
            known.append(os.readlink("/proc/self"))
        if name == place and (who == "parent") == mine:
            reached()
        apply(self, scene)
    step.apply = stop

def around(module, name, place_before, place_after):
    call = getattr(module, name)
    def stop(*arguments):
        if place == place_before:
            reached()
        result = call(*arguments)
        if place == place_after and os.getpid() == creator:
            reached()
        return result
    setattr(module, name, stop)

def close_all_but(kept, lowest, call=kernel.close_all_but):
    call((*kept, channel.fileno()), lowest)

for name, step in list(STEPS.items()):
    stopping(name, step)
if who == "child":
    kernel.close_all_but = close_all_but
if who == "parent":
    around(os, "rename", "the state folder filled", "the state folder named")
    around(parent, "_clone", "before clone3", "after clone3")
    around(parent, "_note_ready", "before ready is noted", "after ready is noted")
    around(parent, "_let_go", "before it is let go", "")
"""
BETWEEN = (
    *("the state folder filled", "the state folder named", "before clone3", "after clone3"),
    *("before ready is noted", "after ready is noted", "before it is let go"),
)


@pytest.fixture(params=["root", "user namespace", "no mount namespace"])
def kind(request):
    return request.param


@pytest.fixture
def bundle(kind, busybox_rootfs, tmp_path):
    """A bundle whose plan has steps of nearly every kind."""
    os.chmod(tmp_path, 0o755)
    shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    spec = default.spec("rootfs", ("true",))
    spec.process.user.uid = spec.process.user.gid = 1000
    spec.linux.resources = Resources.load({"pids": {"limit": 20}}, "")
    spec.linux.cgroups_path = f"/labkit-test-{os.getpid()}/{os.path.basename(tmp_path)}"
    if kind == "user namespace":
        spec.linux.namespaces += (Namespace(kind="user"),)
        spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    if kind == "no mount namespace":
        spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind != "mount")
    document = spec.dump()
    hook = [{"path": "/bin/true"}]
    document["hooks"] = dict.fromkeys(("prestart", "createContainer", "startContainer"), hook)
    (tmp_path / "config.json").write_text(json.dumps(document))
    return tmp_path


class Walk:
    """Creations of one container in `bundle` that are killed, each followed by a look at what is left.

    They are in the mount namespace of the process `tree`, where one is given.
    """

    id = "killed"

    def __init__(self, bundle, tree=None):
        self.bundle = bundle
        self.tree = tree or "self"
        # By env(1), since nsenter(1) leaves the working folder.
        self.inside = ["nsenter", "-m", "-t", str(tree), "env", "-C", PACKAGE] if tree else []
        self.state = f"{bundle}/state"
        self.address = f"{bundle}/channel"
        self.server = socket.socket(socket.AF_UNIX)
        self.server.settimeout(DEADLINE)
        self.server.bind(self.address)
        self.server.listen(1)
        self.ways = itertools.cycle((self.delete, self.collect))
        os.mkdir(self.state)
        self.mounts = self.all_mounts()

    def plan(self):
        manner = Manner(held=True, left=True, bundle=str(self.bundle), root=self.state)
        return prepare(load_bundle(str(self.bundle)), self.id, manner)

    def command(self, verb, *words, driver="", places=()):
        program = [*OCI[:-1], OCI[-1] + driver + RUN, PACKAGE, *places]
        return [*self.inside, *program, "--root", self.state, verb, *words, self.id]

    def oci(self, verb, *words):
        return subprocess.run(self.command(verb, *words), capture_output=True, text=True, timeout=60)

    def create(self, who, place):
        """Begin to create the container with the killer at `place`."""
        command = self.command("create", "--bundle", str(self.bundle), driver=DRIVER, places=(who, place, self.address))
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, **streams)

    def delete(self):
        ended = self.oci("delete", "--force")
        assert (ended.returncode, ended.stderr) == (0, "")

    def collect(self):
        program = "import sys; from labkit.cli import main; sys.exit(main())"
        command = [*self.inside, sys.executable, "-c", program, "gc", "--root", self.state]
        ended = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")

    def left(self):
        return {
            "processes": self.processes(),
            "cgroups": self.cgroups(),
            "state": os.listdir(self.state),
            "mounts": self.all_mounts() - self.mounts,
        }

    def processes(self):
        """Those that have the bundle's folder in their command line: the clones of `create`, and its hooks."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(self.bundle).encode() in line and int(pid) != os.getpid():
                found[pid] = line
        return found

    def cgroups(self):
        names = (f"labkit-test-{os.getpid()}", os.path.basename(self.bundle))
        paths = ("/".join((hierarchy.mount, *names[:depth])) for hierarchy in detect().hierarchies for depth in (1, 2))
        return [path for path in paths if os.path.exists(path)]

    def all_mounts(self):
        with open(f"/proc/{self.tree}/mountinfo") as file:
            return {line for line in file if str(self.bundle) in line}

    def expect_nothing_left(self, place):
        """After the removal, but for a process that was killed a moment ago."""
        nothing = {"processes": {}, "cgroups": [], "state": [], "mounts": set()}
        end = time.monotonic() + DEADLINE
        while self.processes() and time.monotonic() < end:
            time.sleep(0.002)
        assert self.left() == nothing, place

    def expect_it_can_be_created(self):
        # Not through pipes, which the container keeps open while it waits.
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        command = self.command("create", "--bundle", str(self.bundle))
        assert subprocess.run(command, timeout=DEADLINE, check=False, **streams).returncode == 0
        assert json.loads(self.oci("state").stdout)["status"] == "created"
        self.delete()
        self.expect_nothing_left("the end")


@pytest.fixture
def tree(kind):
    """A process with a mount namespace of its own, for what is mounted in that of the runtime; else None."""
    if kind != "no mount namespace":
        yield None
        return
    command = ["unshare", "-m", "sh", "-c", "echo ready; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid


@pytest.fixture
def walk(bundle, tree):
    made = Walk(bundle, tree)
    yield made
    made.server.close()
    made.oci("delete", "--force")


def names(steps):
    return list(dict.fromkeys(type(step).__name__ for step in steps))


def child_places(plan):
    steps = names(plan.child)
    return steps[: steps.index("AwaitStart") + 1]


def test_the_creator_is_killed_at_its_own_steps(walk):
    plan = walk.plan()
    for place in (*names((*plan.before, *plan.after)), *BETWEEN):
        with walk.create("parent", place) as creator:
            assert creator.wait(DEADLINE) == -9, place
        next(walk.ways)()
        walk.expect_nothing_left(place)
    walk.expect_it_can_be_created()


def test_the_creator_is_killed_at_the_steps_of_its_child(walk):
    for place in child_places(walk.plan()):
        creator = walk.create("child", place)
        with creator, walk.server.accept()[0] as channel:
            assert channel.recv(16), place
            creator.kill()
            creator.wait()
            # From here on the child is alone, and goes on where it stood; unless it was killed as well.
            try:
                channel.send(b"x")
            except BrokenPipeError:
                pass
        next(walk.ways)()
        walk.expect_nothing_left(place)
    walk.expect_it_can_be_created()


def test_the_child_is_killed_at_its_steps(walk):
    """Its creator lives, says so in one line and leaves nothing: nobody need clean up."""
    for place in child_places(walk.plan()):
        creator = walk.create("child", place)
        with creator, walk.server.accept()[0] as channel:
            pid = channel.recv(16)
            assert pid, (place, creator.stderr.read())
            os.kill(int(pid), 9)
            assert creator.wait(DEADLINE) == 1, place
            assert creator.stderr.read().count("level=error") == 1
        walk.expect_nothing_left(place)
    walk.expect_it_can_be_created()


# As root only: the runtime's hooks do not differ by user namespace.
@pytest.mark.parametrize("kind", ["root"], indirect=True)
@pytest.mark.parametrize("moment", ["prestart", "createRuntime", "createContainer"])
def test_the_creator_is_killed_in_a_hook(walk, moment):
    begun = f"{walk.bundle}/begun"
    os.mkfifo(begun)
    document = json.loads((walk.bundle / "config.json").read_text())
    script = f"echo begun > {begun}; exec tail -f {walk.bundle}/config.json"
    document["hooks"] = {moment: [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    (walk.bundle / "config.json").write_text(json.dumps(document))
    for clean in (walk.delete, walk.collect):
        reading = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)
        with walk.create("parent", "nowhere") as creator:
            assert select.select([reading], [], [], DEADLINE)[0], moment
            os.close(reading)
            creator.kill()
            creator.wait()
        clean()
        walk.expect_nothing_left(moment)

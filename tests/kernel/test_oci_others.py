"""What is not the container's stays as it is, and nobody waits for another's hooks."""

import json
import os
import select
import signal
import subprocess
import sys
import time

import pytest

from labkit import Container
from labkit.engine import garbage, state
from labkit.engine.configure import configure
from labkit.spec import default
from labkit.spec.model import Hook

pytestmark = pytest.mark.root

DEADLINE = 30.0


class Runtime:
    """`labkit-oci` with states of its own, for bundles below `place`."""

    command = (sys.executable, "-c", "from labkit.oci.launch import main; main()")

    def __init__(self, rootfs, place):
        self.rootfs, self.place, self.states = rootfs, place, str(place / "states")
        self.made = []

    def bundle(self, id, *args, hooks=None, cgroups_path="", pid_namespace=True):
        spec = default.spec(str(self.rootfs), args or ("sleep", "600"))
        spec.linux.cgroups_path = cgroups_path
        if not pid_namespace:
            spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind != "pid")
        document = spec.dump() | ({"hooks": hooks} if hooks else {})
        (self.place / id).mkdir()
        (self.place / id / "config.json").write_text(json.dumps(document))
        self.made.append(id)
        return str(self.place / id)

    def popen(self, *words, **options):
        silent = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen([*self.command, "--root", self.states, *words], **(silent | options))

    def __call__(self, *words, **options):
        """The exit status, and what it said on stderr."""
        with open(self.place / "stderr", "wb") as stderr:
            status = self.popen(*words, stderr=stderr, **options).wait(DEADLINE)
        return status, (self.place / "stderr").read_text()

    def run(self, id, *args, **options):
        assert self("run", "--detach", "--bundle", self.bundle(id, *args, **options), id)[0] == 0
        return state.load(id, self.states)


@pytest.fixture
def oci(busybox_rootfs, tmp_path):
    runtime = Runtime(busybox_rootfs, tmp_path)
    yield runtime
    for id in runtime.made:
        runtime("delete", "--force", id)


def until(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        select.select([], [], [], 0.01)


def runs(pid):
    """Whether the process has not ended: a zombie has, and waits for whoever reaps it."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("below", ["", "/below"])
def test_another_in_or_below_its_cgroup_lives_on(oci, below):
    path = f"/labkit-test-{os.getpid()}"
    first = oci.run("first", cgroups_path=path)
    second = oci.run("second", cgroups_path=path + below)
    status, said = oci("delete", "--force", "first")
    assert status == 0
    assert "others are in it" in said
    assert not first.runs()
    assert second.runs()
    assert oci("delete", "--force", "second")[0] == 0
    assert not any(os.path.exists(folder) for folder in second.cgroups)
    # Of the first's own, those are left that the second lay in, as was said.
    for folder in first.cgroups if below else ():
        os.rmdir(folder)
    assert not any(os.path.exists(folder) for folder in first.cgroups)


def test_without_a_pid_namespace_all_in_its_cgroups_end_with_it(oci):
    found = oci.run("loose", "sh", "-c", "setsid sleep 600 & exec sleep 600", pid_namespace=False)
    inside = {int(pid) for folder in found.cgroups for pid in members(folder)}
    assert len(inside) == 2
    assert oci("delete", "--force", "loose")[0] == 0
    assert not any(runs(pid) for pid in inside)


def test_an_id_may_begin_with_a_dot(oci):
    found = oci.run(".dotted")
    assert garbage.collect_garbage(oci.states) == []
    assert found.runs()
    assert [one.id for one in state.listed(oci.states, print)] == [".dotted"]
    assert oci("delete", "--force", ".dotted")[0] == 0


def test_one_whose_maker_stands_still_is_not_forgotten(oci):
    maker = oci.popen("run", "--bundle", oci.bundle("held"), "held")
    until(lambda: state.read(f"{oci.states}/held", "held") and state.load("held", oci.states).status() == "running", "")
    os.kill(maker.pid, signal.SIGSTOP)
    try:
        status, said = oci("delete", "--force", "held")
        assert (status, f"process {maker.pid}, who runs it, does not end" in said) == (1, True)
        assert os.path.isdir(f"{oci.states}/held")
    finally:
        os.kill(maker.pid, signal.SIGCONT)
    assert maker.wait(DEADLINE) == 137
    assert not os.path.exists(f"{oci.states}/held")


@pytest.mark.parametrize("moment", ["startContainer", "poststart"])
def test_one_that_hangs_in_a_hook_can_be_deleted(oci, moment):
    begun = oci.place / "begun"
    os.mkfifo(begun)
    reading = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)
    # The container's own hook cannot see the fifo, and tells by its stdio, which is the test's.
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"echo $$ > {begun}; exec sleep 600"]}
    bundle = oci.bundle("hangs", hooks={moment: [hook]})
    assert oci("create", "--bundle", bundle, "hangs")[0] == 0
    starting = oci.popen("start", "hangs")
    if moment == "poststart":
        assert select.select([reading], [], [], DEADLINE)[0]
        hook_pid = int(os.read(reading, 32))
    else:
        first = state.load("hangs", oci.states).pid
        until(lambda: len(os.listdir(f"/proc/{first}/task")) and children(first), "the hook did not begin")
    os.close(reading)
    assert oci("delete", "--force", "hangs")[0] == 0
    if moment == "poststart":
        # Of the host's own programs, which nobody but this test ends.
        starting.kill()
        os.kill(hook_pid, signal.SIGKILL)
    starting.wait(DEADLINE)
    assert not os.path.exists(f"{oci.states}/hangs")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


def test_what_a_hook_has_left_running_lives_on_and_what_it_made_has_the_callers_mode(oci, tmp_path):
    left = tmp_path / "left"
    leaving = ["sh", "-c", f"sleep 600 & echo $! > {left}"]
    making = ["sh", "-c", f"touch {tmp_path}/made"]
    hooks = {
        "createRuntime": [{"path": "/bin/sh", "args": leaving, "env": ["PATH=/bin:/usr/bin"]}],
        "createContainer": [{"path": "/bin/sh", "args": making, "env": ["PATH=/bin:/usr/bin"]}],
    }
    bundle = oci.bundle("hooked", hooks=hooks)
    assert oci("create", "--bundle", bundle, "hooked", umask=0o077)[0] == 0
    pid = int(left.read_text())
    try:
        assert runs(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
    assert os.stat(tmp_path / "made").st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("process", "shown"), [("LISTEN_PID=$$", "secret\n"), ("LISTEN_PID=1", "none\n"), ("", "secret\n")]
)
def test_descriptors_are_passed_by_systemds_protocol_to_whom_they_are_for(oci, tmp_path, process, shown):
    (tmp_path / "secret").write_text("secret\n")
    bundle = oci.bundle("listens", "sh", "-c", "cat <&3 || echo none")
    words = [*oci.command, "--root", oci.states, "run", "--bundle", bundle, "listens"]
    script = f'exec 3<{tmp_path}/secret; {process} LISTEN_FDS=1 exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout == shown


def test_a_slow_hook_at_one_containers_end_keeps_no_other_waiting(busybox_rootfs, tmp_path):
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    spec = configure(str(busybox_rootfs), ["true"])
    script = f"echo begun > {begun}; read go < {go}"
    spec.hooks.poststop = (Hook(path="/bin/sh", args=("sh", "-c", script)),)
    slow = Container.from_spec(spec).start()
    with open(begun) as told:
        assert told.read() == "begun\n"
    try:
        # The spawner serves it while the hook waits for what comes only afterwards.
        assert Container(busybox_rootfs, ["echo", "hi"]).run(timeout=DEADLINE).text == "hi\n"
    finally:
        go.write_text("go\n")
        slow.wait(DEADLINE)
        slow.delete()


def test_a_further_process_of_one_that_is_paused_is_not_waited_for_for_ever(oci):
    oci.run("paused")
    assert oci("pause", "paused")[0] == 0
    process = oci.popen("exec", "--ignore-paused", "paused", "true")
    inside = state.load("paused", oci.states)
    until(lambda: any(len(members(folder)) > 1 for folder in inside.cgroups), "it did not come in")
    process.terminate()
    assert process.wait(DEADLINE) != 0


def members(folder):
    with open(f"{folder}/cgroup.procs") as file:
        return file.read().split()

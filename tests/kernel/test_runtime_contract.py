"""What every driver promises of a sandbox, for every runtime that this host has."""

import glob
import itertools
import os
import select
import signal
import threading
import time
from pathlib import Path

import pytest

from labkit import runtimes
from labkit.errors import LabkitError
from labkit.images import image
from labkit.runtimes import bundle, cgroup, host_process
from labkit.runtimes.kata import Kata

pytestmark = pytest.mark.root

# No more than a bound: an emulated machine on a busy host takes its time.
DEADLINE = 300.0
# Kata's way through containerd, with a shim that this host has.
KATA = "kata-through-the-runc-shim"
# Of each engine one pair: every runtime behind them has its own turn.
ENGINES = ("podman:labkit-oci", "containerd:runc")
DRIVERS = (*runtimes.NAMES, *runtimes.UPSTREAM, *ENGINES, *runtimes.COMPARED, KATA)
# The shell waits in wait(2), which a trapped signal interrupts.
TRAPPING = "trap 'exit 3' TERM; echo up; sleep 1000 & wait"


@pytest.fixture(scope="module", params=DRIVERS)
def runtime(request, probed):
    """The driver; all tests of one runtime run in a row, so that some can share a sandbox."""
    probe = probed("containerd:runc" if request.param == KATA else request.param)
    if not probe.available:
        pytest.skip(f"{request.param} is not available on this host: {probe.reason}")
    driver = Kata("qemu", "io.containerd.runc.v2") if request.param == KATA else runtimes.driver(request.param)
    yield driver
    driver.cool()


@pytest.fixture(scope="module")
def rootfs():
    return os.fspath(image("busybox", shown=False))


def bundles(rootfs, folder):
    """A function that makes the bundle of a shell script."""
    os.chmod(folder, 0o755)
    made = itertools.count()
    return lambda script: bundle.write(f"{folder}/bundle-{next(made)}", bundle.spec(rootfs, ("/bin/sh", "-c", script)))


@pytest.fixture
def place(rootfs, tmp_path):
    return bundles(rootfs, tmp_path)


def new_id():
    return f"labkit-test-{os.urandom(4).hex()}"


@pytest.fixture
def id(runtime, tmp_path):
    """An id of which nothing may be left at the end."""
    id = new_id()
    yield id
    until(lambda: remains(id, tmp_path) == [], lambda: remains(id, tmp_path))


def remains(id, folder):
    """What on the host names the sandbox: processes, cgroups, mounts, files below /run, and zombies of this process."""
    left = [f"process {one.pid} {_command(one.pid)}" for one in _naming(id)]
    left += cgroup.of(id)
    with open("/proc/self/mountinfo") as file:
        left += [line for line in file if id in line or os.fspath(folder) in line]
    for top, folders, files in os.walk("/run/labkit"):
        left += [f"{top}/{name}" for name in folders + files if id in name]
    # An engine has another name for it, and gives it a cgroup that is named by the id.
    for states in ("/run/labkit/containers/*/state", "/run/runc/*/state.json", "/run/crun/*/status"):
        left += [path for path in glob.glob(states) if id in Path(path).read_text()]
    return left


def _naming(id):
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as command, open(f"/proc/{pid}/environ", "rb") as environ:
                if pid != os.getpid() and id.encode() in command.read() + environ.read():
                    found.append(host_process.HostProcess(pid, "", ""))
        except OSError:
            pass  # It ended while we looked.
    return found


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().replace("\0", " ")
    except OSError:
        return ""


def until(condition, tell=lambda: ""):
    deadline = time.monotonic() + DEADLINE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, tell()
        pause.wait(0.02)


def outcome(call, *arguments):
    """(what it gives, None), or (None, the message of its LabkitError)."""
    try:
        return call(*arguments), None
    except LabkitError as error:
        return None, error.message


class Streams:
    """Pipes for stdin, stdout and stderr, of which this process has the other ends."""

    def __init__(self, input=b""):
        feeding, self.stdin = os.pipe2(os.O_CLOEXEC)
        self.stdout, output = os.pipe2(os.O_CLOEXEC)
        self.stderr, errors = os.pipe2(os.O_CLOEXEC)
        self.given = (feeding, output, errors)
        os.write(self.stdin, input)
        os.close(self.stdin)

    def hand_over(self):
        for descriptor in self.given:
            os.close(descriptor)
        self.given = ()

    def line(self):
        """What comes first on stdout."""
        assert select.select([self.stdout], [], [], DEADLINE)[0], "nothing was written"
        return os.read(self.stdout, 65536)

    def rest(self, descriptor=None):
        text = b""
        descriptor = self.stdout if descriptor is None else descriptor
        while True:
            assert select.select([descriptor], [], [], DEADLINE)[0], f"nobody ends the stream after {text!r}"
            part = os.read(descriptor, 65536)
            if not part:
                return text
            text += part

    def close(self):
        self.hand_over()
        os.close(self.stdout)
        os.close(self.stderr)


@pytest.fixture
def streams():
    made = []

    def make(input=b""):
        made.append(Streams(input))
        return made[-1]

    yield make
    for one in made:
        one.close()


def started(runtime, bundle, id, given):
    """A sandbox of a bundle whose script first says `up`."""
    sandbox = runtime.start(bundle, id, given.given)
    given.hand_over()
    try:
        assert given.line() == b"up\n", given.rest(given.stderr)
    except BaseException:
        sandbox.delete()
        raise
    return sandbox


@pytest.fixture
def running(runtime, id, place, streams):
    """A sandbox of its own for a test that ends it; gives (sandbox, streams)."""
    given = streams()
    sandbox = started(runtime, place(TRAPPING), id, given)
    yield sandbox, given
    sandbox.delete()


@pytest.fixture(scope="module")
def shared_with_others(runtime, rootfs, tmp_path_factory):
    folder, given, id = tmp_path_factory.mktemp("shared"), Streams(), new_id()
    sandbox = started(runtime, bundles(rootfs, folder)(TRAPPING), id, given)
    yield sandbox, id
    sandbox.delete()
    given.close()
    until(lambda: remains(id, folder) == [], lambda: remains(id, folder))


@pytest.fixture
def shared(shared_with_others):
    """(sandbox, id) of one for all tests that leave it as it is: under emulation each boot takes some seconds."""
    sandbox, id = shared_with_others
    yield sandbox, id
    with pytest.raises(LabkitError, match="still runs"):
        sandbox.wait(0)


def test_status_and_streams_pass_through(runtime, id, place, streams):
    given = streams(b"word\n")
    sandbox = runtime.start(place("read x; echo got $x; echo wrong >&2; exit 7"), id, given.given)
    given.hand_over()
    assert given.rest() == b"got word\n"
    assert b"wrong\n" in given.rest(given.stderr)
    assert sandbox.wait(DEADLINE) == 7
    sandbox.delete()
    sandbox.delete()


def test_an_input_that_has_ended_is_the_end_of_file(runtime, id, place, streams):
    given = streams()
    with open(os.devnull, "rb") as null:
        sandbox = runtime.start(place("cat; echo done"), id, (null.fileno(), *given.given[1:]))
    given.hand_over()
    assert given.rest() == b"done\n"
    assert sandbox.wait(DEADLINE) == 0
    sandbox.delete()


def test_a_death_by_signal_is_128_and_its_number(runtime, id, running):
    sandbox, _ = running
    sandbox.kill()
    assert sandbox.wait(DEADLINE) == 137
    sandbox.delete()
    until(lambda: [one for one in runtime.host_processes(id) if not one.shared] == [])


def test_waiting_has_a_deadline(shared):
    sandbox, _ = shared
    with pytest.raises(LabkitError, match="still runs"):
        sandbox.wait(0.01)


def test_deleting_ends_what_still_runs(running):
    sandbox, given = running
    sandbox.delete()
    assert given.rest() == b""


def test_it_is_created_and_then_started(runtime, id, place, streams):
    given = streams(b"word\n")
    bundle = place("read x; echo got $x; exit 5")
    if "create" in runtime.lacks:
        with pytest.raises(LabkitError) as caught:
            runtime.create(bundle, id, given.given)
        assert caught.value.hint
        return
    sandbox = runtime.create(bundle, id, given.given)
    given.hand_over()
    assert not select.select([given.stdout], [], [], 0)[0]
    sandbox.start()
    assert given.rest() == b"got word\n"
    assert sandbox.wait(DEADLINE) == 5
    with pytest.raises(LabkitError):
        sandbox.start()
    sandbox.delete()


def test_what_was_created_and_never_started_is_deleted(runtime, id, place, streams):
    if "create" in runtime.lacks:
        pytest.skip(f"{runtime.name} has no way to create without starting")
    given = streams()
    sandbox = runtime.create(place("echo never"), id, given.given)
    given.hand_over()
    sandbox.delete()
    assert b"never" not in given.rest()


def test_a_second_program_has_streams_and_a_status_of_its_own(runtime, shared, streams):
    sandbox, _ = shared
    given = streams(b"more\n")
    if "exec" in runtime.lacks:
        with pytest.raises(LabkitError) as caught:
            sandbox.exec(("/bin/true",), given.given)
        assert caught.value.hint
        return
    args = ("/bin/sh", "-c", "read x; echo got $x; exit 9")
    status = sandbox.exec(args, given.given, DEADLINE)
    given.hand_over()
    assert (status, given.rest()) == (9, b"got more\n")


def test_a_second_program_has_a_deadline_and_the_first_goes_on(runtime, shared, streams):
    if "exec" in runtime.lacks:
        pytest.skip(f"{runtime.name} runs one program alone")
    sandbox, _ = shared
    given = streams()
    with pytest.raises(LabkitError, match="ended"):
        sandbox.exec(("/bin/sleep", "1000"), given.given, 1.0)


def test_a_second_program_that_is_not_there_fails_in_time(runtime, shared, streams):
    if "exec" in runtime.lacks:
        pytest.skip(f"{runtime.name} runs one program alone")
    sandbox, _ = shared
    given = streams()
    status, error = outcome(sandbox.exec, ("/no/such/program",), given.given, DEADLINE)
    assert status or "/no/such/program" in error


def test_a_second_sandbox_of_the_same_id_is_refused_and_the_first_is_left_alone(runtime, shared, place, streams):
    _, id = shared
    given = streams()
    bundle = place("echo second")
    second, error = outcome(runtime.start, bundle, id, given.given)
    given.hand_over()
    if second is None:
        assert id in error
    else:
        assert second.wait(DEADLINE) != 0
        second.delete()


def test_its_processes_on_the_host_are_found_by_its_id(runtime, shared):
    _, id = shared
    processes = runtime.host_processes(id)
    assert runtime.host_processes(new_id()) == []
    assert any(process.role in ("payload", "sentry", "hypervisor") for process in processes), processes
    assert all(process.role and process.found_by for process in processes)
    assert sum(host_process.pss(process.pid) for process in processes) > 0


def test_its_cgroups_hold_its_processes(runtime, shared):
    _, id = shared
    folders = runtime.cgroups(id)
    if not folders:
        assert any("cgroup" in cost for cost in runtime.unattributed)
        return
    from labkit.cgroups import processes

    before = set(processes.pids(folders))
    mine = {process.pid for process in runtime.host_processes(id)}
    # What was there before and after was there meanwhile; an engine's own help comes and goes.
    members = before & set(processes.pids(folders))
    assert members
    assert members <= mine


def test_after_all_that_a_signal_reaches_the_payload_and_none_that_has_ended(runtime, shared_with_others):
    # Before the next test, which also kills what sandboxes of one driver have in common.
    sandbox, _ = shared_with_others
    if "kill" in runtime.lacks:
        with pytest.raises(LabkitError):
            sandbox.kill(signal.SIGTERM)
        sandbox.kill()
        assert sandbox.wait(DEADLINE) == 137
    else:
        sandbox.kill(signal.SIGTERM)
        assert sandbox.wait(DEADLINE) == 3
    sandbox.kill()


def test_nothing_is_left_when_one_of_its_processes_is_killed(runtime, place, streams, tmp_path, rootfs):
    """Each part in turn, in a sandbox of its own."""
    tried, there = set(), {""}
    while there - tried:
        id, given = new_id(), streams()
        sandbox = started(runtime, place("echo up; sleep 1000"), id, given)
        processes = runtime.host_processes(id)
        there = {process.role for process in processes}
        victim = next((process for process in processes if process.role not in tried), None)
        if victim is not None:
            tried.add(victim.role)
            os.kill(victim.pid, signal.SIGKILL)
            status, error = outcome(sandbox.wait, 2)
            assert status or error, victim
        sandbox.delete()
        assert given.rest() == b""
        until(lambda id=id: remains(id, tmp_path) == [], lambda id=id, victim=victim: (victim, remains(id, tmp_path)))
    assert tried
    # Whatever was killed, the next sandbox finds all it needs.
    given = streams()
    id = new_id()
    sandbox = runtime.start(place("echo again"), id, given.given)
    given.hand_over()
    assert given.rest() == b"again\n"
    assert sandbox.wait(DEADLINE) == 0
    sandbox.delete()


def test_what_a_killed_driver_left_is_removed_by_id(runtime, id, running):
    sandbox, given = running
    runtime.remove(id)
    assert given.rest() == b""
    status, error = outcome(sandbox.wait, DEADLINE)
    assert status or "killed" in error
    sandbox.delete()


def test_removing_what_is_not_there_does_nothing(runtime, id):
    runtime.remove(id)

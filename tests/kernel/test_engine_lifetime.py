"""What a container leaves: nothing, however it ends."""

import gc
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

from labkit import Container
from labkit.cgroups.detect import detect
from labkit.engine import client, garbage, state
from labkit.errors import LabkitError, StepError

pytestmark = pytest.mark.root

DEADLINE = 30.0
# Others may run containers on this host meanwhile.
MINE = f"lifetime-{os.getpid()}-"


@pytest.fixture(autouse=True)
def ids(monkeypatch):
    monkeypatch.setattr(state, "new_id", lambda: MINE + os.urandom(6).hex())


def until(condition, what):
    """Wait until `condition()`; the deadline is for a machine that is busy, not a measure of anything."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)


def cgroups():
    found = set()
    for hierarchy in detect().hierarchies:
        for folder, names, _ in os.walk(hierarchy.path):
            found |= {f"{folder}/{name}" for name in names if MINE in name}
    return found


def children(pid="self"):
    pid = os.getpid() if pid == "self" else pid
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as file:
            found |= {int(child) for child in file.read().split()}
    return found


def traces():
    """All that a container could leave on the host.

    A namespace lives on by a process, a descriptor or a mount, and by nothing else (namespaces(7)).
    """
    gc.collect()
    with open("/proc/self/mountinfo") as file:
        mounts = [line for line in file if MINE in line or "labkit-test-rootfs" in line]
    spawner = client._spawner.pid
    return {
        "descriptors": sorted(os.listdir("/proc/self/fd"), key=int),
        "the spawner's descriptors": sorted(os.listdir(f"/proc/{spawner}/fd"), key=int),
        "children": children(),
        "the spawner's children": children(spawner),
        "mounts": mounts,
        "cgroups": cgroups(),
        "state folders": {name for name in os.listdir(state.root()) if MINE in name},
        "threads": threading.active_count(),
    }


@pytest.fixture
def nothing_left(rootfs):
    """The host afterwards is as it was before, once the spawner had been started."""
    Container(rootfs, ["true"]).run(timeout=60)
    before = traces()
    yield
    assert_soon(before)


def assert_soon(before, but=()):
    """The spawner removes the last things a moment after it has told of the end."""

    def counted():
        return {name: what for name, what in traces().items() if name not in but}

    before = {name: what for name, what in before.items() if name not in but}
    end = time.monotonic() + DEADLINE
    while counted() != before and time.monotonic() < end:
        time.sleep(0.01)
    assert counted() == before


@pytest.mark.usefixtures("nothing_left")
def test_twenty_in_a_row(rootfs):
    for number in range(20):
        assert Container(rootfs, ["sh", "-c", f"exit {number}"]).run(timeout=60).exit_status == number


@pytest.mark.usefixtures("nothing_left")
def test_twenty_from_many_threads_at_once(rootfs):
    results = {}

    def one(number):
        results[number] = Container(rootfs, ["sh", "-c", f"echo {number}; exit {number}"]).run(timeout=60)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: (r.exit_status, r.text) for n, r in results.items()} == {n: (n, f"{n}\n") for n in range(20)}


@pytest.mark.usefixtures("nothing_left")
def test_twenty_at_once_that_are_killed(rootfs):
    running = [Container(rootfs, ["sleep", "60"]).start() for _ in range(20)]
    for container in running:
        container.kill()
    assert [container.wait(timeout=60) for container in running] == [137] * 20
    for container in running:
        container.delete()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"args": ["no-such-command"]}, "Execute"),
        ({"args": ["/etc"]}, "Execute"),
        ({"cwd": "/nowhere"}, "EnterFolder"),
        ({"without": ["MakeCgroup"]}, "WriteCgroup"),
        ({"volumes": ["/etc:/etc/passwd/x"]}, "BindMount"),
    ],
)
def test_a_step_that_fails(rootfs, options, step):
    args = options.pop("args", ["true"])
    for _ in range(3):
        with pytest.raises(StepError) as caught:
            Container(rootfs, args, memory="64M", **dict(options)).run(timeout=60)
        assert caught.value.step in (step, "InheritCpuset")


@pytest.mark.usefixtures("nothing_left")
def test_a_timeout(rootfs):
    with pytest.raises(LabkitError, match=r"ended after 0\.05 s"):
        Container(rootfs, ["sleep", "60"]).run(timeout=0.05)


@pytest.mark.usefixtures("nothing_left")
def test_the_end_of_a_with_block(rootfs):
    with Container(rootfs, ["sleep", "60"]).start() as container:
        pid = container.pid
        assert os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"/proc/{pid}")
    container.delete()


def test_an_interrupt_while_it_starts(rootfs):
    """Ctrl-C in a notebook comes as an exception at any instruction of Python.

    So also between a system call and the note of the descriptor it gave, where nothing can be done about it: one in
    fifty such interrupts costs a descriptor, none a container.
    """
    Container(rootfs, ["true"]).run(timeout=60)
    host = traces()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    interrupted = 0
    try:
        for number in range(30):
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + number * 0.0004)
            try:
                Container(rootfs, ["sleep", "60"]).run(timeout=60)
            except KeyboardInterrupt:
                interrupted += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted == 30
    assert_soon(host, but=("descriptors",))


def test_a_killed_spawner_takes_its_containers_along_and_gc_the_rest(rootfs):
    container = Container(rootfs, ["sleep", "60"]).start()
    pid, spawner = container.pid, client._spawner.pid
    os.kill(spawner, signal.SIGKILL)
    with pytest.raises(LabkitError, match="was killed") as caught:
        container.wait(timeout=60)
    assert "labkit gc" in caught.value.hint
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the container outlived the spawner")
    with pytest.raises(LabkitError, match="was killed"):
        container.delete()
    assert container.id in garbage.collect_garbage()
    assert not any(container.id in path for path in cgroups())
    # The next container has a new spawner.
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0
    assert client._spawner.pid != spawner


def test_a_killed_client_takes_spawner_and_container_along(rootfs):
    program = (
        "import sys; from labkit import Container; from labkit.engine import client\n"
        "c = Container(sys.argv[1], ['sleep', '60'], id=sys.argv[2]).start()\n"
        "print(c.pid, client._spawner.pid, flush=True)\n"
        "c.wait()"
    )
    id = state.new_id()
    process = subprocess.Popen([sys.executable, "-c", program, str(rootfs), id], stdout=subprocess.PIPE, text=True)
    pid, spawner = process.stdout.readline().split()
    assert id in os.listdir(state.root())
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the container outlived its client")
    # The spawner cleans up before it ends.
    until(lambda: not os.path.exists(f"/proc/{spawner}"), "the spawner outlived its client")
    assert id not in os.listdir(state.root())
    assert not any(id in path for path in cgroups())


@pytest.mark.usefixtures("nothing_left")
def test_a_container_that_is_created_and_forgotten(rootfs):
    pid = Container(rootfs, ["true"], terminal=True).create().pid
    gc.collect()
    until(lambda: not os.path.exists(f"/proc/{pid}"), "the container outlived its object")
    Container(rootfs, ["true"]).create(log=True)
    gc.collect()


@pytest.mark.usefixtures("nothing_left")
def test_all_that_a_container_can_be_asked_for(rootfs, tmp_path):
    with Container(rootfs, ["sh", "-c", "echo hi; exec sleep 60"], memory="64M").create(
        log=tmp_path / "log"
    ) as container:
        container.start()
        assert container.exec(["cat"], input=b"x" * 200_000).stdout == b"x" * 200_000
        assert container.exec(["true"], terminal=True).exit_status == 0
        with pytest.raises(StepError):
            container.exec(["no-such-command"])
        with pytest.raises(LabkitError, match="was ended after"):
            container.exec(["sleep", "60"], timeout=0.05)
        container.pause()
        next(container.logs(follow=True))
        container.stats()


@pytest.mark.usefixtures("nothing_left")
def test_a_process_that_is_given_up_in_a_paused_container_keeps_nobody_waiting(rootfs, tmp_path):
    container = Container(rootfs, ["sleep", "60"], volumes=[f"{tmp_path}:/data"]).start()
    said = []

    def give_up():
        try:
            container.exec(["sh", "-c", "touch /data/in; exec sleep 60"], timeout=1)
        except LabkitError as error:
            said.append(error.message)

    waiting = threading.Thread(target=give_up)
    waiting.start()
    until((tmp_path / "in").exists, "the program does not run")
    container.pause()
    waiting.join(DEADLINE)
    assert said
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0
    container.resume()
    until(lambda: children(client._spawner.pid) == {container.pid}, "the program outlived the thaw")
    container.delete()


def test_a_killed_client_takes_a_paused_container_and_what_exec_runs_in_it_along(rootfs, tmp_path):
    program = (
        "import sys, threading; from labkit import Container; from labkit.engine import client\n"
        "c = Container(sys.argv[1], ['sleep', '60'], id=sys.argv[2], volumes=[sys.argv[3] + ':/data']).start()\n"
        "script = ['sh', '-c', 'touch /data/in; exec sleep 60']\n"
        "threading.Thread(target=lambda: c.exec(script), daemon=True).start()\n"
        "print(client._spawner.pid, flush=True)\n"
        "sys.stdin.readline()\n"
        "c.pause()\n"
        "print('paused', flush=True)\n"
        "c.wait()"
    )
    id = state.new_id()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(rootfs), id, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        spawner = process.stdout.readline().strip()
        until((tmp_path / "in").exists, "the program does not run")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "paused\n"
        process.kill()
    until(lambda: not os.path.exists(f"/proc/{spawner}"), "the spawner outlived its client")
    assert id not in os.listdir(state.root())
    assert not any(id in path for path in cgroups())


def test_a_killed_spawner_takes_a_created_container_along(rootfs):
    container = Container(rootfs, ["true"]).create()
    os.kill(client._spawner.pid, signal.SIGKILL)
    until(lambda: container.status == "stopped", "the container outlived the spawner")
    with pytest.raises(LabkitError):
        container.start()
    assert container.id in garbage.collect_garbage()


def test_a_forked_copy_of_the_client_has_a_spawner_of_its_own(rootfs):
    Container(rootfs, ["true"]).run(timeout=60)
    spawner = client._spawner.pid
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ran = Container(rootfs, ["sh", "-c", "exit 7"]).run(timeout=60).exit_status
            status = 0 if ran == 7 and client._spawner.pid != spawner else 2
            client.stop_spawner()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0
    assert client._spawner.pid == spawner


def test_an_id_is_taken_while_its_container_runs(rootfs):
    first = Container(rootfs, ["sleep", "60"], id="labkit-test-one")
    with first.start(), pytest.raises(LabkitError, match="'labkit-test-one' exists"):
        Container(rootfs, ["true"], id="labkit-test-one").start()
    assert Container(rootfs, ["true"], id="labkit-test-one").run(timeout=60).exit_status == 0


def test_a_container_is_started_once(rootfs):
    container = Container(rootfs, ["true"])
    container.run(timeout=60)
    with pytest.raises(LabkitError, match="already started"):
        container.run(timeout=60)
    with pytest.raises(LabkitError, match="not started"):
        Container(rootfs, ["true"]).wait()


def test_several_threads_may_wait_for_one_container(rootfs):
    with Container(rootfs, ["sh", "-c", "read x; exit 5"]) as container:
        reading, writing = os.pipe()
        container.start(stdin=reading)
        os.close(reading)
        statuses = []
        threads = [threading.Thread(target=lambda: statuses.append(container.wait(timeout=60))) for _ in range(5)]
        for thread in threads:
            thread.start()
        os.close(writing)
        for thread in threads:
            thread.join()
        assert statuses == [5] * 5
        assert container.wait() == 5


def test_waiting_with_a_time_limit_does_not_end_it(rootfs):
    with Container(rootfs, ["sleep", "60"]).start() as container:
        with pytest.raises(LabkitError, match="still runs"):
            container.wait(timeout=0.01)
        assert os.path.exists(f"/proc/{container.pid}")


def test_large_input_and_output_flow_at_the_same_time(rootfs):
    data = os.urandom(3_000_000)
    result = Container(rootfs, ["tee", "/dev/stderr"]).run(data, timeout=60)
    assert result.stdout == data
    assert result.stderr == data


def test_a_program_that_does_not_read_its_input(rootfs):
    assert Container(rootfs, ["true"]).run(b"x" * 1_000_000, timeout=60).exit_status == 0


def test_many_arguments(rootfs):
    words = [f"{number:0100}" for number in range(10_000)]
    assert Container(rootfs, ["echo", *words]).run(timeout=60).text.split() == words
    with pytest.raises(StepError, match="Argument list too long") as caught:
        Container(rootfs, ["echo", "x" * 200_000]).run(timeout=60)
    assert caught.value.exit_status == 126


def test_a_closed_descriptor_for_stdio_is_said(rootfs):
    with pytest.raises(LabkitError, match="not an open descriptor"):
        Container(rootfs, ["true"]).start(stdin=987_654)


def test_too_many_open_files_is_said_and_passes(rootfs):
    Container(rootfs, ["true"]).run(timeout=60)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 3, limits[1]))
    try:
        container = Container(rootfs, ["true"])
        with pytest.raises(LabkitError, match="Too many open files") as caught:
            container.run(timeout=60)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert "ulimit -n" in caught.value.hint
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0


def test_a_spawner_with_too_many_open_files_says_so_and_goes_on(rootfs):
    Container(rootfs, ["true"]).run(timeout=60)
    spawner = client._spawner.pid
    limits = resource.prlimit(spawner, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{spawner}/fd"))
    try:
        for room in (0, 2, 4):
            resource.prlimit(spawner, resource.RLIMIT_NOFILE, (used + room, limits[1]))
            with pytest.raises(LabkitError) as caught:
                Container(rootfs, ["true"]).run(timeout=60)
            assert "ulimit -n" in caught.value.hint
    finally:
        resource.prlimit(spawner, resource.RLIMIT_NOFILE, limits)
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0
    assert client._spawner.pid == spawner


def test_signals_of_the_client_are_not_for_its_containers(rootfs):
    with Container(rootfs, ["sleep", "60"]).start() as container:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(client._spawner.pid, number)
        pidfd = os.pidfd_open(container.pid)
        assert select.select([pidfd], [], [], 0.1)[0] == []
        os.close(pidfd)

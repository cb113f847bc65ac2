"""Signals to `labkit run`, and what is left when it is killed."""

import os
import random
import signal
import subprocess
import time

import pytest

from labkit.cgroups.detect import detect
from labkit.engine import state

pytestmark = pytest.mark.root

DEADLINE = 30.0
ROUNDS = 60


@pytest.fixture
def start(command, rootfs):
    """Start `labkit run` on a shell script, or on a list of words; the id is `.id` of the process."""
    started = []

    def run(script, *options, **more):
        id = f"signals-{os.urandom(6).hex()}"
        argv = [*command, "run", "--id", id, "--rootfs", str(rootfs), *options, "--"]
        argv += ["sh", "-c", script] if isinstance(script, str) else script
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, "text": True} | more
        process = subprocess.Popen(argv, **more)
        process.id = id
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait(DEADLINE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def left(id):
    """What is left of a container: its state folder, its cgroups, what is mounted under its name."""
    found = [name for name in os.listdir(state.root()) if id in name]
    found += [f"{h.path}/labkit-{id}" for h in detect().hierarchies if os.path.exists(f"{h.path}/labkit-{id}")]
    with open("/proc/self/mountinfo") as mounts:
        return found + [line for line in mounts if id in line]


def processes(word):
    """The processes whose command line has `word`."""
    found = []
    for pid in os.listdir("/proc"):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if pid.isdigit() and word.encode() in file.read():
                    found.append(int(pid))
        except OSError:
            pass  # no process, or it ended meanwhile
    return found


def processes_of(process):
    """The children of `labkit run` itself."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return [int(pid) for pid in file.read().split()]


def name(pid):
    """What a process calls itself; "" once it has ended."""
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def until(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_that_the_program_does_not_handle_ends_it(start, number):
    # No shell, since busybox's handles some.
    process = start(["sleep", "60"])
    until(lambda: any(name(pid) == "sleep" for pid in processes_of(process)))
    process.send_signal(number)
    assert process.wait(DEADLINE) == 128 + number
    assert process.stderr.read() == ""
    assert left(process.id) == []


def test_a_signal_that_the_program_handles_is_its_own_affair(start):
    process = start("trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 9
    assert process.stdout.read() == "caught\n"


def test_a_signal_that_the_program_ignores_changes_nothing(start):
    process = start("trap '' INT; echo ready; read line; echo went on", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.stdin.write("x\n")
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    assert process.stdout.read() == "went on\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_what_a_terminal_sends_reaches_what_the_shell_waits_for(start, number):
    """busybox's shell notes a SIGINT and waits on for its child, which a terminal would have sent it to as well."""
    process = start("trap 'echo noted' INT QUIT; echo ready; sleep 60; echo status $?")
    assert process.stdout.readline() == "ready\n"
    end = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < end:
        # The shell says it is ready before it has started what it then waits for.
        process.send_signal(number)
        time.sleep(0.05)
    assert process.stdout.read().splitlines()[-1] == f"status {128 + number}"


def test_window_changes_and_user_signals_are_passed_on(start):
    process = start("trap 'echo usr1' USR1; trap 'echo winch; exit 0' WINCH; echo ready; while :; do sleep 0.05; done")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == "usr1\n"
    process.send_signal(signal.SIGWINCH)
    assert process.wait(DEADLINE) == 0


def test_hangup_stays_ignored_under_nohup(start):
    process = start(
        "echo ready; read line", stdin=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    process.stdin.write("x\n")
    process.stdin.close()
    assert process.wait(DEADLINE) == 0


def test_a_stopped_program_is_ended_too(start):
    process = start("echo ready; kill -STOP $$; sleep 60", "--namespaces", "mount,uts,ipc,cgroup")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 143
    assert left(process.id) == []


def test_when_it_is_killed_the_container_dies_and_gc_removes_the_rest(start, labkit):
    word = f"{random.randrange(10**6, 10**7)}"
    process = start(f"sleep {word} & echo ready; wait")
    assert process.stdout.readline() == "ready\n"
    until(lambda: processes(word))
    process.kill()
    process.wait(DEADLINE)
    until(lambda: not processes(word))
    assert left(process.id)
    collected = labkit("gc")
    assert collected.returncode == 0
    assert process.id in collected.stdout.split()
    assert left(process.id) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_at_any_moment_leaves_nothing(start, number):
    """From the first line of Python to the running program; the interpreter's own start is not ours to guard."""
    chance = random.Random(number)
    statuses = set()
    for _ in range(ROUNDS // 2):
        process = start(["sleep", "60"], "--memory", "64M")
        # Half of the rounds hit the engine itself, whose state folder shows first; the others what comes before.
        begun = chance.random() < 0.5
        if begun:
            until(lambda process=process: left(process.id) or process.poll() is not None)
        time.sleep(chance.random() * (0.02 if begun else 0.1))
        process.send_signal(number)
        statuses.add(process.wait(DEADLINE))
        assert left(process.id) == []
        said = process.stderr.read()
        if begun:
            assert (process.returncode, said) == (128 + number, "")
        elif "Fatal Python error: init_" not in said:
            # Interrupted before the engine took over it dies of the signal itself, or says so; while the interpreter
            # sets itself up (`init_import_site`, `init_sys_streams`), that ends with 1.
            assert process.returncode in (128 + number, -number), said
    assert 128 + number in statuses


def test_a_kill_at_any_moment_leaves_nothing_that_gc_does_not_find(start, labkit):
    chance = random.Random(9)
    ids = []
    for _ in range(20):
        process = start("sleep 60", "--memory", "64M")
        until(lambda process=process: left(process.id) or process.poll() is not None)
        time.sleep(chance.random() * 0.02)
        process.kill()
        process.wait(DEADLINE)
        ids.append(process.id)
    assert labkit("gc").returncode == 0
    assert [left(id) for id in ids] == [[]] * 20
    for id in ids:
        until(lambda id=id: not processes(id))

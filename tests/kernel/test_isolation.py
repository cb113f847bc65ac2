"""The isolation experiment as a whole, with one block, and the tracer that it borrows from the host."""

import signal
import subprocess
import sys

import pytest

from labkit.bench import isolation
from labkit.bench.store import Run
from labkit.linux.libseccomp import syscall_number
from labkit.workloads.attempts import ATTEMPTS

pytestmark = pytest.mark.root

DECLARED = isolation.Isolation(labels=("host", "labkit", "runc"), blocks=1)
# What a process with a mount namespace of its own does: tracefs is mounted there alone.
IN_ITS_OWN = """
import os, sys
from labkit.linux import tracefs
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare
unshare(CLONE_NEWNS)
mount(None, "/", None, MS_REC | MS_PRIVATE)
tracefs.attach()
"""


def inside(script, **options):
    return subprocess.run(
        [sys.executable, "-c", IN_ITS_OWN + script], capture_output=True, text=True, timeout=60, check=False, **options
    )


@pytest.fixture(scope="module")
def tracer():
    done = inside(
        "tracefs.Instance('test-it').__enter__().calls(); os.rmdir(tracefs.ROOT + '/instances/labkit-test-it')"
    )
    if done.returncode:
        pytest.skip(f"this host has no tracefs with raw_syscalls: {done.stderr.splitlines()[-1]}")


@pytest.fixture(scope="module")
def state():
    """A function that gives all that the host's tracer is set to, and the names of its instances."""
    script = """
for name in ("current_tracer", "tracing_on", "set_event", "set_event_pid", "buffer_size_kb", "trace_options"):
    print(name, open(f"{tracefs.ROOT}/{name}").read())
print(sorted(os.listdir(tracefs.ROOT + "/instances")))
"""

    def read():
        done = inside(script)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return read


def tracefs_mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line for line in file if " - tracefs " in line]


@pytest.fixture(scope="module")
def mounted():
    return tracefs_mounts()


@pytest.fixture(scope="module")
def before(tracer, state):
    return state()


@pytest.fixture(scope="module")
def run(before, mounted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("isolation")
    folder.chmod(0o755)
    found = Run(folder / "run")
    isolation.measure(found, DECLARED)
    return found


@pytest.fixture
def good(run):
    frame = run.observations(isolation.EXPERIMENT)
    tried = frame[frame["block"] >= 0]
    assert set(tried["status"]) == {"ok"}, tried[tried["status"] != "ok"][["runtime", "reason"]].values.tolist()
    return tried.set_index(["condition", "runtime", "metric"])["value"]


def test_every_runtime_is_looked_at_in_every_way(run):
    frame = run.observations(isolation.EXPERIMENT)
    there = set(frame.loc[frame["status"] == "ok", "runtime"])
    assert {"host", "labkit"} <= there
    for condition in ("probe", "attempts", "payload", "shell"):
        assert set(frame.loc[frame["condition"] == condition, "runtime"]) == there


def test_the_payload_makes_its_three_system_calls_and_no_other(good):
    # The last step of the engine, execve(2), and what the payload does: write and exit.
    calls = {name.removeprefix("call ") for _, _, name in good.loc[["payload"], ["host"]].index if "call " in name}
    assert {"execve", "write", "exit"} <= calls
    assert good["payload", "host", "host_syscalls"] == len(calls) <= 6
    assert good["payload", "host", "call execve"] == 1


def test_the_host_is_more_open_than_a_container(good):
    assert good["probe", "host", "open"] > good["probe", "labkit", "open"] > 0
    assert good["attempts", "host", "attempts_stopped"] < len(ATTEMPTS)
    assert good["attempts", "labkit", "attempts_stopped"] == len(ATTEMPTS)


def test_a_job_is_followed_through_its_processes(good):
    for runtime in ("host", "labkit"):
        # Each child that the shell makes, and which is followed, ends by it.
        assert good["shell", runtime, "call exit_group"] > 10
        assert good["shell", runtime, "host_syscalls_made"] > good["shell", runtime, "host_syscalls"] > 20


def test_functions_are_counted_or_it_is_said_why_not(run):
    frame = run.observations(isolation.EXPERIMENT)
    counted = frame[(frame["metric"] == "host_functions") & (frame["status"] == "ok")]
    reasons = frame.loc[frame["runtime"] == isolation.FUNCTION_TRACER, "reason"]
    assert (counted["value"] > 100).all() if len(counted) else reasons.str.len().gt(0).all()
    assert len(counted) or len(reasons)


def test_the_hosts_tracer_is_as_it_was(run, before, state):
    assert state() == before


def test_it_is_gone_on_with_and_measures_nothing_twice(run):
    measured = run.measured()
    isolation.measure(run, DECLARED)
    assert run.measured() == measured


def test_an_error_while_it_traces_leaves_no_instance(tracer, before, state):
    done = inside("""
with tracefs.Instance("test-error") as instance:
    instance.calls()
    instance.follow([os.getpid()])
    with instance.on():
        raise ValueError("as planned")
""")
    assert "as planned" in done.stderr
    assert state() == before


def test_what_a_killed_process_leaves_is_removed_by_the_next(tracer, before, state):
    done = inside(f"""
instance = tracefs.Instance("test-killed").__enter__()
instance.calls()
instance.follow([os.getpid()])
with instance.on():
    os.kill(os.getpid(), {int(signal.SIGKILL)})
""")
    assert done.returncode == -signal.SIGKILL
    assert "labkit-test-killed" in state()
    assert inside("tracefs.remove_forgotten()").returncode == 0
    assert state() == before


def test_only_who_is_followed_is_traced_and_their_children(tracer):
    sleep, uname = syscall_number("clock_nanosleep"), syscall_number("uname")
    done = inside(f"""
import subprocess, time
other = subprocess.Popen(["sleep", "0.1"])
followed = subprocess.Popen(["sh", "-c", "read go; uname > /dev/null"], stdin=subprocess.PIPE)
with tracefs.Instance("test-follow") as instance:
    instance.calls()
    instance.follow([followed.pid])
    with instance.on() as trace:
        followed.communicate(b"\\n")
        time.sleep(0.001)
        other.wait()
seen = {{int.from_bytes(record[8:16], "little") for record in trace.records()}}
assert {uname} in seen, seen
assert {sleep} not in seen, seen
assert trace.lost == 0
""")
    assert done.returncode == 0, done.stderr


def test_tracefs_is_mounted_for_the_measuring_process_alone(mounted, run):
    assert tracefs_mounts() == mounted

"""`labkit-oci events` and `stats` on a container that runs."""

import json
import os
import signal
import subprocess

import pytest

pytestmark = pytest.mark.root

MIB = 2**20


@pytest.fixture
def watching(oci):
    """Start `labkit-oci events`; the result is its process, whose stdout gives lines."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [*oci.command, "events", *words, oci.id], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=30)


def let_go(found):
    """End the wait of a container whose script does mkfifo /dev/go and reads it."""
    while True:
        try:
            descriptor = os.open(f"/proc/{found.pid}/root/dev/go", os.O_WRONLY)
            break
        except FileNotFoundError:
            assert found.runs()
    os.write(descriptor, b"\n")
    os.close(descriptor)


def test_statistics_are_one_line_of_json_without_blanks(oci):
    found = oci.run_detached("sleep", "60", pids={"limit": 20})
    for words in (("events", "--stats"), ("stats",)):
        done = oci(*words, oci.id)
        assert done.returncode == 0
        assert done.stdout.startswith(f'{{"type":"stats","id":"{oci.id}","data":{{')
        assert done.stdout.count("\n") == 1
        assert json.loads(done.stdout)["data"]["pids"] == {"current": 1, "limit": 20}
    assert found.status() == "running"


def test_statistics_go_on_until_the_container_stops(oci, watching):
    oci.run_detached("sleep", "60")
    events = watching("--interval", "20ms")
    lines = [json.loads(events.stdout.readline()) for _ in range(3)]
    assert {(line["type"], line["id"]) for line in lines} == {("stats", oci.id)}
    assert oci("kill", oci.id, "KILL").returncode == 0
    # Read to the end, or a full pipe would keep it.
    _, errors = events.communicate(timeout=30)
    assert (events.returncode, errors) == (0, "")


def test_events_end_with_a_container_that_is_deleted(oci, watching):
    oci.run_detached("sleep", "60")
    events = watching("--interval", "20ms")
    events.stdout.readline()
    assert oci("delete", "--force", oci.id).returncode == 0
    rest, errors = events.communicate(timeout=30)
    assert events.returncode == 0
    assert errors == ""
    assert '"type":"oom"' not in rest


def test_a_kill_for_want_of_memory_is_an_event(oci, watching):
    script = "mkfifo /dev/go; read go < /dev/go; tail /dev/zero; sleep 60"
    found = oci.run_detached("sh", "-c", script, memory={"limit": 16 * MIB, "swap": 16 * MIB})
    events = watching("--interval", "20ms")
    assert json.loads(events.stdout.readline())["type"] == "stats"
    let_go(found)
    while (line := events.stdout.readline()) and '"type":"stats"' in line:
        pass
    assert line == f'{{"type":"oom","id":"{oci.id}"}}\n'
    assert events.poll() is None


def test_the_first_process_itself_killed_for_want_of_memory_is_an_event_and_the_end(oci, watching):
    script = "mkfifo /dev/go; read go < /dev/go; exec tail /dev/zero"
    found = oci.run_detached("sh", "-c", script, memory={"limit": 16 * MIB, "swap": 16 * MIB})
    events = watching("--interval", "20ms")
    events.stdout.readline()
    let_go(found)
    lines = events.communicate(timeout=60)[0].splitlines()
    assert events.returncode == 0
    assert lines.count(f'{{"type":"oom","id":"{oci.id}"}}') == 1


def test_nobody_who_reads_is_the_end(oci):
    oci.run_detached("sleep", "60")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = oci("events", "--interval", "10ms", oci.id, capture_output=False, stdout=writing, stderr=-1)
    finally:
        os.close(writing)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""


def test_a_stopped_container_has_no_events(oci):
    found = oci.run_detached("sleep", "60")
    assert oci("kill", oci.id, "KILL").returncode == 0
    while found.runs():
        pass
    for words in (("events",), ("stats",)):
        done = oci(*words, oci.id)
        assert done.returncode == 1
        assert f"container with id {oci.id} is not running" in done.stderr

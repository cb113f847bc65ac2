"""The study as a whole, with workloads of busybox in place of the real ones, whose image takes minutes to build."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from labkit.bench.account import PREFIX, Account
from labkit.bench.store import Run
from labkit.bench.work import USER_ERROR
from labkit.cgroups import processes
from labkit.cgroups.detect import detect

pytestmark = pytest.mark.root

WORKER = """
import sys
from labkit.bench import study_worker, worker
from labkit.workloads import all as every
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number

def parse(text):
    return [Measurement("throughput", "1/s", number("^rate ([0-9]+)$", text, "its rate")),
            Measurement("cpus", "1", number("^cpus ([0-9]+)$", text, "its CPUs"))]

def files(scratch, scale):
    with open(f"{scratch}/given", "w") as file:
        file.write("rate 5" + chr(10))

def job(script):
    return lambda scale: ("sh", "-c", script)

def load(address, scale):
    return ("sh", "-c", f"wget -q -O - http://{address}:8123/given && echo cpus $(nproc) && echo of the load > /tmp/a")

every.WORKLOADS = (
    Workload("job", "cpu", "", (), job("touch /tmp/a /scratch/a && chown 1:1 /scratch/a && cat /scratch/given && "
             "echo cpus $(nproc)"), parse, "throughput", core=True, files=files),
    Workload("server", "network", "", (), job("exec httpd -f -p 8123 -h /scratch"), parse, "throughput", core=True,
             port=8123, load=load, files=files, operations=lambda scale: 1),
    Workload("deaf", "network", "", (), job("exec httpd -f -p 8124 -h /scratch"), parse, "throughput",
             port=8124, load=lambda address, scale: ("no-such-load", address)),
    Workload("rhubarb", "cpu", "", (), job("echo rhubarb"), parse, "throughput"),
    Workload("endless", "cpu", "", (), job("echo it runs >&2; exec sleep 300"), parse, "throughput"),
    Workload("stuck", "cpu", "", (), job("echo it runs >&2; exec sleep 300"), parse, "throughput", timeout=1.5),
)
every.image = lambda: "busybox"
sys.exit(worker.main(sys.argv[1:], study_worker.measure))
"""


@pytest.fixture
def run(tmp_path):
    os.chmod(tmp_path, 0o755)
    return Run(tmp_path / "run")


@pytest.fixture
def worker(run):
    """A function that starts the process that measures; it is ended when the test is over."""
    started = []

    def start(labels, workloads, core_blocks, other_blocks=0, run=run):
        order = {"labels": labels, "workloads": workloads, "core_blocks": core_blocks, "other_blocks": other_blocks}
        order |= {"scale": 1.0, "most_blocks": 0, "target": 0.05, "budget": 0.0, "emulated": True, "seed": 1}
        argv = [sys.executable, "-c", WORKER, str(run.folder), json.dumps(order)]
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def measure(worker):
    """A function that measures to the end."""

    def go(*arguments):
        process = worker(*arguments)
        words = process.communicate(timeout=120)[1]
        assert process.returncode == 0, words

    return go


def left(run):
    """What is left of any trial: cgroups, cables, folders."""
    trees = detect().hierarchies
    return [
        *(f"{tree.mount}/{name}" for tree in trees for name in os.listdir(tree.mount) if name.startswith(PREFIX)),
        *(name for name in os.listdir("/sys/class/net") if name.startswith("lk")),
        *run.folder.glob("scratch-*"),
    ]


def values(rows, metric):
    found = rows[rows["metric"] == metric]
    return dict(zip(zip(found["condition"], found["runtime"], strict=True), found["value"], strict=True))


def statuses(run, workload, label):
    rows = run.observations("study")
    return set(rows[(rows["condition"] == workload) & (rows["runtime"] == label)]["status"])


def lost(run, workload, label):
    """The reason and the log of a trial, which failed."""
    assert statuses(run, workload, label) == {"failed"}
    rows = run.observations("study").set_index(["condition", "runtime"])
    log = run.folder / f"trials/study-{workload}-00000-{label}.log"
    return rows.loc[(workload, label), "reason"], log.read_text()


LABELS = ["host", "labkit", "runc"]


def test_jobs_and_servers_are_measured_in_every_runtime_on_their_own_cpus(run, measure):
    measure(LABELS, ["job", "server"], 1)
    rows = run.observations("study")
    assert set(rows["status"]) == {"ok"}, rows[rows["status"] != "ok"]["reason"].tolist()
    everything = {(workload, label) for workload in ("job", "server") for label in LABELS}
    assert values(rows, "throughput") == dict.fromkeys(everything, 5)
    own = max(1, len(os.sched_getaffinity(0)) - 1)
    # Of a job its own, of a server those of the load.
    assert values(rows, "cpus") == {
        (workload, label): own if workload == "job" else 1 for workload, label in everything
    }
    assert set(values(rows, "whole_life")) == {("job", label) for label in LABELS}
    assert set(values(rows, "listens")) == {("server", label) for label in LABELS}
    used = {key: value + values(rows, "cpu_system")[key] for key, value in values(rows, "cpu_user").items()}
    assert set(used) == everything
    assert min(used[key] for key in used if key[0] == "job") > 0
    # What this process took of a core, and of which time: a job's whole run, or that of a server's load.
    assert set(values(rows, "harness")) == set(values(rows, "harness_wall")) == everything
    wall, load = values(rows, "harness_wall"), values(rows, "load")
    assert all(0 < wall[key] < (load[key] if key in load else values(rows, "whole_life")[key]) for key in everything)
    assert left(run) == []


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="no QEMU: apt-get install qemu-system-x86")
def test_a_server_in_a_microvm_is_measured_too(run, measure):
    measure(["microvm"], ["server"], 1)
    rows = run.observations("study")
    assert set(rows["status"]) == {"ok"}, rows["reason"].tolist()
    assert values(rows, "throughput") == {("server", "microvm"): 5}
    assert left(run) == []


def test_what_fails_is_recorded_with_its_reason_and_the_run_goes_on(run, measure):
    measure(["labkit", "runc"], ["deaf", "rhubarb", "job"], 1, 3)
    rows = run.observations("study")
    reasons = rows[rows["status"] == "failed"].groupby("condition")["reason"].unique()
    assert set(reasons.index) == {"deaf", "rhubarb"}
    assert all("no-such-load" in reason for reason in reasons["deaf"])
    assert all("rhubarb" in reason for reason in reasons["rhubarb"])
    logs = sorted(run.folder.glob("trials/study-rhubarb-*.log"))
    # Twice in each runtime; then it is given up.
    assert len(logs) == 4
    assert {log.read_text() for log in logs} == {"rhubarb\n"}
    assert set(rows[rows["condition"] == "job"]["status"]) == {"ok"}
    assert left(run) == []


def test_a_sandbox_that_hangs_is_given_up_with_what_it_said_and_the_run_goes_on(run, measure):
    measure(["labkit", "runc"], ["stuck", "job"], 1, 1)
    for label in ("labkit", "runc"):
        reason, log = lost(run, "stuck", label)
        assert "1.5 s" in reason
        assert "it runs" in log
        assert statuses(run, "job", label) == {"ok"}
    assert left(run) == []


def test_a_runtime_that_is_killed_in_the_middle_fails_its_trial_alone(run, worker):
    process = worker(["labkit", "runc"], ["endless", "job"], 1, 1)
    killed = []
    for line in process.stdout:
        said = json.loads(line)[2]
        if said.startswith("endless"):
            while not (found := of_the_trial("sleep")):
                assert process.poll() is None
            # The program last: it is what the runtime waits for.
            for pid in [*(set(of_the_trial()) - {process.pid, *found}), *found]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            killed.append(said)
    assert (process.wait(60), sorted(killed)) == (0, ["endless, labkit", "endless, runc"])
    for label in ("labkit", "runc"):
        reason, log = lost(run, "endless", label)
        assert "status 137" in reason or "killed" in reason
        assert "it runs" in log
        assert statuses(run, "job", label) == {"ok"}
    assert left(run) == []


def of_the_trial(program=""):
    """The processes in the cgroups of the trial that goes on; only those of a program's name if given."""
    trees = [tree.mount for tree in detect().hierarchies]
    folders = [f"{mount}/{name}" for mount in trees for name in os.listdir(mount) if name.startswith(PREFIX)]
    found = []
    for pid in processes.pids(folders):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:
            if program in ("", file.read().strip()):
                found.append(pid)
    return found


def test_an_interrupt_while_a_trials_cgroups_are_made_leaves_none(monkeypatch):
    one = Account(f"labkit-test-{os.urandom(4).hex()}")
    make, made = os.mkdir, []

    def interrupted(folder, mode=0o777):
        make(folder, mode)
        made.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), one:
        pass
    assert [os.path.basename(folder) for folder in made] == [one.name]
    assert not os.path.exists(made[0])


@pytest.fixture
def small(tmp_path):
    """A folder on a disk of 256 KiB, and a function to make room on it."""
    folder = tmp_path / "small"
    folder.mkdir()
    os.chmod(tmp_path, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", folder], check=True)
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=16m", folder], check=True)
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_ends_the_run_in_one_line_and_once_there_is_room_it_goes_on(small, worker):
    folder, make_room = small
    run = Run(folder / "run")
    process = worker(["labkit", "runc"], ["job"], 40, 0, run=run)
    words = process.communicate(timeout=120)[1]
    assert process.returncode == USER_ERROR, words
    message, hint = json.loads(words.splitlines()[-1])
    assert "No space left on device" in message
    assert "what was measured is kept" in hint
    before = run.observations("study")
    good = before[before["status"] == "ok"]
    assert len(good) > 0
    assert left(run) == []
    make_room()
    blocks = int(before["block"].max()) + 2
    process = worker(["labkit", "runc"], ["job"], blocks, 0, run=run)
    words = process.communicate(timeout=120)[1]
    assert process.returncode == 0, words
    after = run.observations("study")
    assert len(after.merge(before, on=["condition", "runtime", "block", "metric", "value"])) == len(before)
    complete = after.groupby("block")["runtime"].nunique() == 2
    assert complete.sum() == blocks


def test_a_run_of_another_version_of_the_store_is_left_as_it_is(run, worker):
    run.begin()
    record = run.folder / "run.json"
    record.write_text(record.read_text().replace('"schema": 1', '"schema": 99'))
    process = worker(["host"], ["job"], 1)
    words = process.communicate(timeout=60)[1]
    assert process.returncode == USER_ERROR, words
    assert "has another schema than 1" in json.loads(words.splitlines()[-1])[0]
    assert '"schema": 99' in record.read_text()
    assert list((run.folder / "trials").iterdir()) == []


def test_a_run_that_is_ended_leaves_nothing_and_is_gone_on_with(run, worker, measure):
    process = worker(LABELS, ["job", "endless"], 2, 1)
    begun = ""
    for line in process.stdout:
        begun = json.loads(line)[2]
        if begun.startswith("endless"):
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert begun.startswith("endless")
    assert process.returncode == 130
    assert left(run) == []
    before = run.observations("study")
    measure(LABELS, ["job"], 2)
    after = run.observations("study")
    assert (after[after["condition"] == "job"].groupby("block")["runtime"].nunique() == len(LABELS)).sum() == 2
    assert len(after.merge(before, on=["condition", "runtime", "block", "metric", "value"])) == len(before)
    assert len(run.sessions()) == 2


def test_what_a_killed_run_has_left_is_removed_by_the_next(run, worker, measure):
    process = worker(["runc"], ["endless"], 0, 1)
    for line in process.stdout:
        if json.loads(line)[2].startswith("endless"):
            break
    # It is in the trial when its cgroup is there.
    tree = detect().of("memory") or detect().hierarchies[0]
    while not any(name.startswith(PREFIX) for name in os.listdir(tree.mount)):
        assert process.poll() is None
    process.kill()
    process.communicate()
    measure(["runc"], ["job"], 1)
    assert left(run) == []
    assert set(run.observations("study")["status"]) == {"ok"}

"""The study as a whole, with workloads of busybox in place of the real ones, whose image takes minutes to build."""

import json
import os
import signal
import subprocess
import sys

import pytest

from labkit.bench.account import PREFIX
from labkit.bench.store import Run
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

    def start(labels, workloads, core_blocks, other_blocks=0):
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

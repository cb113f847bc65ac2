"""Trials in a runtime that is none: it dies, hangs, says something else, and the run goes on."""

import errno
import json
import os
import socket
from contextlib import contextmanager

import pytest

from labkit.bench import study_trial, study_worker, worker
from labkit.bench.design import Trial
from labkit.bench.place import Place
from labkit.bench.row import now
from labkit.bench.store import Run
from labkit.bench.treatment import Treatment
from labkit.errors import LabkitError
from labkit.runtimes import Probe
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload, number


class Fake:
    """A runtime, and its one sandbox: `writes` to stdout and `says` to stderr, and ends with `status` (None: never)."""

    name = "fake"
    parameters = "none"

    def __init__(self, writes="rate 5\n", says="", status=0, refuses=None):
        self.writes, self.says, self.status, self.refuses = writes, says, status, refuses
        self.deleted = 0
        self.asked = 0

    def start(self, bundle, id, stdio):
        if self.refuses:
            raise self.refuses
        with open(f"{bundle}/config.json", encoding="utf-8") as file:
            self.args = json.load(file)["process"]["args"]
        os.write(stdio[1], self.writes.encode())
        os.write(stdio[2], self.says.encode())
        return self

    def wait(self, timeout):
        if self.status is None:
            raise LabkitError(f"still runs after {timeout:g} s", "")
        return self.status

    def delete(self):
        self.deleted += 1

    def host_processes(self, id):
        return []


class Account:
    """Figures of no cgroup."""

    path = "/a/b"

    def __init__(self, id):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @contextmanager
    def entered(self):
        yield

    def cpu(self):
        return 1.0, 0.5

    def memory(self):
        return []


def parse(text):
    return [Measurement("throughput", "1/s", number(r"^rate (\S+)$", text, "its rate"))]


JOB = Workload("job", "cpu", "a job", (), lambda scale: ("job",), parse, "throughput", timeout=0.5)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(study_trial, "Account", Account)
    cpus = frozenset(os.sched_getaffinity(0))
    folder = tmp_path / "place"
    folder.mkdir()
    return Place(str(tmp_path), str(folder), 1.0, cpus, cpus)


@pytest.fixture
def attempt(tmp_path, place):
    """A function that runs one trial of a workload in a runtime as the worker does; gives its rows and its log."""
    run = Run(tmp_path / "run")
    run.begin()
    blocks = iter(range(100))

    def one(runtime, workload=JOB, treatment=None):
        trial = Trial("study", workload.name, next(blocks), 0, "fake")
        treatment = treatment or Treatment("fake", runtime)
        study_worker.run_trial(run, trial, workload, treatment, Probe(True, "1"), place)
        rows = run.observations("study")
        log = run.folder / "trials" / f"{trial.key}.log"
        # Whatever happened, nothing of it is left.
        assert os.listdir(place.folder) == []
        return rows[rows["block"] == trial.block], log.read_text() if log.exists() else ""

    return one


def reason(rows):
    assert set(rows["status"]) == {"failed"}
    assert rows["value"].isna().all()
    return rows["reason"].iloc[0]


def test_what_it_says_and_what_it_used_are_recorded(attempt):
    runtime = Fake()
    rows, log = attempt(runtime)
    assert set(rows["status"]) == {"ok"}
    found = dict(zip(rows["metric"], rows["value"], strict=True))
    assert found["throughput"] == 5
    assert (found["cpu_user"], found["cpu_system"]) == (1.0, 0.5)
    assert set(rows["parameters"]) == {"none"}
    assert log == ""
    assert runtime.args == ["job"]
    assert runtime.deleted


def test_a_runtime_that_dies_is_a_failed_trial_with_its_last_words_and_output(attempt):
    runtime = Fake(writes="rate 4\n", says="it was all too much\n", status=137)
    rows, log = attempt(runtime)
    assert reason(rows) == "job ended with status 137: it was all too much"
    assert "it was all too much" in log
    assert "rate 4" in log
    assert runtime.deleted


def test_a_runtime_that_dies_without_a_word_is_one_too(attempt):
    assert "no word why" in reason(attempt(Fake(writes="", status=1))[0])


def test_a_runtime_that_hangs_is_given_up_after_the_workload_s_time(attempt):
    runtime = Fake(writes="half of", status=None)
    rows, log = attempt(runtime)
    assert reason(rows) == "still runs after 0.5 s"
    assert log == "half of"
    assert runtime.deleted


def test_a_runtime_that_refuses_is_a_failed_trial(attempt):
    rows, log = attempt(Fake(refuses=LabkitError("no such option", "")))
    assert reason(rows) == "no such option"
    assert log == "no such option"


@pytest.mark.parametrize(
    "writes", ["", "rhubarb\n", "rate many\n", "rate 0\n", "rate -1\n", "rate nan\n", "rate inf\n"]
)
def test_an_output_that_the_parser_does_not_know_is_kept(attempt, writes):
    rows, log = attempt(Fake(writes=writes))
    assert "output" in reason(rows)
    assert writes in log


@pytest.mark.parametrize("error", [KeyError("tps"), IndexError("1"), ZeroDivisionError(), TypeError("NoneType")])
def test_a_parser_that_fails_fails_its_trial_alone(attempt, error):
    def broken(text):
        raise error

    workload = Workload("job", "cpu", "a job", (), lambda scale: ("job",), broken, "throughput")
    assert "not as job was known to write it" in reason(attempt(Fake(), workload)[0])


def test_a_program_that_writes_without_end_is_read_to_a_limit(attempt):
    rows, log = attempt(Fake(writes="x" * (1 << 20), status=1))
    assert reason(rows)
    assert len(log) <= 65536


def test_a_machine_that_slept_during_the_trial_is_no_measurement(attempt, monkeypatch):
    slept = iter([10.0, 3610.0])
    monkeypatch.setattr(study_trial, "_asleep", lambda: next(slept))
    assert "asleep" in reason(attempt(Fake())[0])


def test_a_system_call_that_fails_fails_its_trial_alone(attempt):
    rows, _ = attempt(Fake(refuses=FileNotFoundError(errno.ENOENT, "No such file or directory", "/sys/fs/cgroup/a")))
    assert "/sys/fs/cgroup/a" in reason(rows)


def test_a_full_disk_ends_the_run_in_one_line_and_keeps_what_was_measured(attempt, tmp_path, capsys, monkeypatch):
    attempt(Fake())

    @contextmanager
    def alone():
        yield

    def measure(run):
        attempt(Fake(refuses=OSError(errno.ENOSPC, "No space left on device", "/data/run")))

    monkeypatch.setattr(worker, "_alone", alone)
    assert worker.main([str(tmp_path / "run"), "{}"], measure) == worker.USER_ERROR
    message, hint = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert message == "/data/run: No space left on device"
    assert "kept" in hint
    assert set(Run(tmp_path / "run").observations("study")["status"]) == {"ok"}


def test_files_that_cannot_be_prepared_fail_the_trial(attempt):
    def files(scratch, scale):
        raise LabkitError("calls is compiled on this host, which has no gcc", "apt-get install gcc")

    workload = Workload("job", "cpu", "a job", (), lambda scale: ("job",), parse, "throughput", files=files)
    assert "no gcc" in reason(attempt(Fake(), workload)[0])


@pytest.fixture
def server():
    """A workload that serves on a port of this host, where a socket of this test listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        yield Workload(
            "server",
            "network",
            "a server",
            (),
            lambda scale: ("server",),
            parse,
            "throughput",
            port=port,
            load=lambda address, scale: ("load", address),
        )


@pytest.fixture
def served(monkeypatch):
    """A function that gives what runs the load, and a treatment without a network of its own."""

    def make(runtime, load):
        monkeypatch.setattr(study_trial, "Labkit", lambda: load)

        def alter(spec):
            spec.linux.namespaces = ()

        return Treatment("fake", runtime, alter=alter)

    return make


def test_another_program_s_port_is_not_measured_for_ours(attempt, server, served):
    runtime = Fake(status=None)
    rows, _ = attempt(runtime, server, served(runtime, Fake()))
    assert reason(rows) == f"another program of this host listens on port {server.port}"


@pytest.fixture
def free(monkeypatch):
    """The port is taken for free before the server starts, as which this test's socket stands in."""
    monkeypatch.setattr(study_trial, "_check_free", lambda port: None)


def test_a_load_measures_a_server(attempt, server, served, free):
    runtime, load = Fake(writes="ready\n", status=None), Fake(writes="rate 7\n")
    rows, _ = attempt(runtime, server, served(runtime, load))
    found = dict(zip(rows["metric"], rows["value"], strict=True))
    assert found["throughput"] == 7
    assert {"listens", "load", "cpu_user"} <= set(found)
    assert load.args[:2] == ["taskset", "-c"]
    assert load.args[3:] == ["load", "127.0.0.1"]


def test_a_load_generator_that_is_missing_is_a_failed_trial(attempt, server, served, free):
    runtime = Fake(writes="", says="ready\n", status=None)
    load = Fake(refuses=LabkitError("taskset: load: not found in the container's PATH", "", 127))
    rows, log = attempt(runtime, server, served(runtime, load))
    assert "load: not found" in reason(rows)
    assert log == "ready\n"
    assert runtime.deleted


def test_a_load_that_fails_is_the_reason_where_the_server_still_runs(attempt, server, served, free):
    runtime = Fake(writes="", status=None)
    load = Fake(writes="", says="Connection reset by peer\n", status=1)
    assert reason(attempt(runtime, server, served(runtime, load))[0]) == (
        "load ended with status 1: Connection reset by peer"
    )


def test_a_server_that_ends_under_load_is_the_reason(attempt, server, served, free):
    runtime = Fake(writes="", says="out of memory\n", status=137)
    load = Fake(writes="", status=1)
    assert reason(attempt(runtime, server, served(runtime, load))[0]) == (
        "the server ended with status 137: out of memory"
    )


def test_a_server_that_ends_before_it_listens_is_not_waited_for(attempt, served):
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    workload = Workload(
        "server",
        "network",
        "",
        (),
        lambda scale: ("server",),
        parse,
        "throughput",
        port=port,
        load=lambda a, s: ("load",),
    )
    runtime = Fake(writes="", says="no permission\n", status=1)
    rows, _ = attempt(runtime, workload, served(runtime, Fake()))
    assert reason(rows) == "the server ended with status 1: no permission"


def test_trials_that_failed_are_no_reason_to_stop(attempt):
    attempt(Fake(status=1))
    attempt(Fake(status=None))
    rows, _ = attempt(Fake())
    assert set(rows["status"]) == {"ok"}
    assert (rows["started"] <= now()).all()

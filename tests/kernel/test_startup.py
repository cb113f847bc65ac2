"""The start-up experiment as a whole, with a few blocks."""

import os
import signal
import subprocess
import sys

import pytest

from labkit.bench import startup
from labkit.bench.store import Run
from labkit.errors import LabkitError
from labkit.runtimes import cgroup

pytestmark = pytest.mark.root

RUNTIMES = ("host", "labkit", "runc")


@pytest.fixture
def run(tmp_path):
    os.chmod(tmp_path, 0o755)
    return Run(tmp_path / "run")


def test_every_block_holds_every_runtime_and_both_metrics(run):
    told = []
    startup.measure(run, RUNTIMES, warm_blocks=3, cold_blocks=1, seed=4, progress=lambda *step: told.append(step))
    frame = run.observations()
    assert set(frame["status"]) == {"ok"}, frame[frame["status"] != "ok"]["reason"].tolist()
    counts = frame.groupby(["condition", "metric", "runtime"]).size().unstack()
    assert counts.loc["warm"].to_numpy().tolist() == [[3, 3, 3], [3, 3, 3]]
    assert counts.loc["cold"].to_numpy().tolist() == [[1, 1, 1], [1, 1, 1]]
    assert (frame["value"] > 0).all()
    assert told[-1][:2] == (12, 12)
    assert run.sessions()[-1]["trials"] == 12


def test_a_run_is_gone_on_with_and_measures_nothing_twice(run):
    startup.measure(run, RUNTIMES, warm_blocks=2, cold_blocks=0)
    before = run.observations()
    startup.measure(run, RUNTIMES, warm_blocks=4, cold_blocks=0)
    after = run.observations()
    assert len(after) == 2 * len(before)
    kept = after[after["block"] < 2].reset_index(drop=True)
    assert kept.equals(before)


def test_a_killed_run_loses_nothing_and_leaves_nothing(run):
    step = {"done": 0}

    class Killed(Exception):
        pass

    def kill_after_some(done, total, text):
        step["done"] = done
        if done == 5:
            raise Killed

    with pytest.raises(Killed):
        startup.measure(run, RUNTIMES, warm_blocks=10, cold_blocks=0, progress=kill_after_some)
    assert len(run.measured()) >= 5
    before = run.observations()
    startup.measure(run, RUNTIMES, warm_blocks=10, cold_blocks=0)
    after = run.observations()
    complete = after.groupby("block")["runtime"].nunique() == len(RUNTIMES)
    assert complete.sum() == 10
    merged = after.merge(before, on=["runtime", "block", "metric", "value"])
    assert len(merged) == len(before)


def test_sigkill_of_the_worker_keeps_what_was_measured(run):
    run.begin()
    order = '{"runtimes": ["host", "runc"], "warm_blocks": 30, "cold_blocks": 0, "seed": 1}'
    argv = [sys.executable, "-m", "labkit.bench.startup_worker", str(run.folder), order]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as worker:
        for line in worker.stdout:
            if line.startswith("[8,"):
                worker.send_signal(signal.SIGKILL)
    assert worker.returncode == -signal.SIGKILL
    assert len(run.measured()) >= 8
    before = run.measured()
    startup.measure(run, ("host", "runc"), warm_blocks=30, cold_blocks=0)
    assert before <= run.measured()
    assert (run.observations().groupby("block")["runtime"].nunique() == 2).sum() == 30
    assert list(run.folder.glob("scratch-*")) == []


def test_a_runtime_that_is_missing_is_recorded_with_its_reason(run, monkeypatch, tmp_path):
    # The worker finds programs by PATH, and by the folders for administrators' programs.
    monkeypatch.setattr("labkit.runtimes.oci.OciRuntime.path", lambda self: None)
    from labkit.bench import startup_worker

    startup_worker.measure(run, ["host", "crun"], warm_blocks=1, cold_blocks=0, seed=1)
    missing = run.observations().query("runtime == 'crun'")
    assert set(missing["status"]) == {"unavailable"}
    assert set(missing["reason"]) == {"not installed"}
    assert set(missing["block"]) == {-1}


def test_a_failing_trial_is_recorded_with_its_reason_and_log_and_the_run_goes_on(run, tmp_path):
    from labkit import runtimes
    from labkit.bench import startup_worker
    from labkit.bench.design import Trial
    from labkit.workloads import startup as workload

    run.begin()
    place = workload.prepare(str(tmp_path))
    os.unlink(tmp_path / "rootfs" / "payload")
    driver = runtimes.driver("runc")
    startup_worker.run_trial(run, Trial("startup", "warm", 0, 0, "runc"), driver, driver.probe(), place)
    frame = run.observations()
    assert set(frame["status"]) == {"failed"}
    assert "payload" in frame["reason"][0]
    assert "payload" in (run.folder / "trials" / "startup-warm-00000-runc.log").read_text()
    assert not [folder for folder in cgroup.of("labkit") if "labkit-" in folder]


def test_a_runtime_that_comes_later_is_measured_in_blocks_of_its_own(run):
    startup.measure(run, ["runc"], warm_blocks=2, cold_blocks=0)
    startup.measure(run, ["runc", "host"], warm_blocks=2, cold_blocks=0)
    frame = run.observations()
    assert set(frame.loc[frame["runtime"] == "host", "block"]) == {2, 3}
    assert set(frame.loc[frame["runtime"] == "runc", "block"]) == {0, 1, 2, 3}


def test_another_version_of_a_runtime_asks_for_another_run(run):
    from labkit.bench import startup_worker

    startup_worker.measure(run, ["host"], warm_blocks=1, cold_blocks=0, seed=1)
    frame = run.observations()
    rows = frame.drop(columns=["run", "host"]).assign(version="an older kernel").to_dict("records")
    run.add("startup-warm-00000-host", rows)
    with pytest.raises(LabkitError, match="an older kernel in this run and is"):
        startup.measure(run, ["host"], warm_blocks=2, cold_blocks=0)


def test_bad_orders_are_one_clear_error(run):
    with pytest.raises(LabkitError, match="unknown runtime 'nope'"):
        startup.measure(run, ["nope"])
    with pytest.raises(LabkitError, match="nothing to measure"):
        startup.measure(run, RUNTIMES, warm_blocks=0, cold_blocks=0)


def test_a_full_disk_is_one_clear_error_and_keeps_what_was_measured(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", small], check=True)
    try:
        run = Run(small / "run")
        with pytest.raises(LabkitError, match="No space left"):
            startup.measure(run, ("host",), warm_blocks=50, cold_blocks=0)
        assert len(run.measured()) > 0
        assert set(run.observations()["status"]) == {"ok"}
    finally:
        subprocess.run(["umount", small], check=True)

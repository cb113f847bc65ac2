"""The engine's benchmark as a whole, with three rounds."""

import os
import re

import pytest

from labkit.bench import engine
from labkit.bench.store import Run
from labkit.linux.rundir import rundir
from labkit.runtimes import driver
from labkit.runtimes.microvm import FLAG
from labkit.stats import Targets

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    folder.chmod(0o755)
    found = Run(folder / "run")
    engine.measure(found, rounds=3)
    return found


def test_every_round_holds_every_operation_of_every_available_runtime(run):
    frame = run.observations("engine")
    good = frame[frame["block"] >= 0]
    assert set(good["status"]) == {"ok"}, good[good["status"] != "ok"]["reason"].tolist()
    absent = set(frame.loc[frame["status"] == "unavailable", "runtime"])
    if "microvm" in absent:
        absent.add(engine.KERNEL)
    wanted = {name for name in engine.TREATMENTS if name.partition(".")[2] not in absent}
    for number, block in good.groupby("block"):
        # Where machines are emulated they are booted in the first round alone.
        emulated = good.loc[good["workload"] == "boot", "flags"].str.contains(FLAG).any() and number
        booted = {name for name in wanted if name.startswith("boot.")}
        assert set(block["workload"] + "." + block["runtime"]) == (wanted - booted if emulated else wanted)
    assert good["block"].nunique() == 3
    assert (good["value"] > 0).all()


def test_the_targets_are_read_from_what_was_measured(run):
    found = Targets()(run.observations("engine"))
    measured = found[found["n"] > 0]
    assert {"run", "state"} <= set(measured["what"])
    assert set(measured.loc[measured["metric"] != "boot", "n"]) == {3}


def test_no_container_is_left(run):
    for name in ("labkit-oci", "runc", "crun"):
        if driver(name).path():
            # Other tests have other names for theirs.
            assert [entry for entry in os.listdir(rundir(name)) if re.fullmatch("labkit-[0-9a-f]{10}", entry)] == []


def test_it_is_gone_on_with_and_measures_nothing_twice(run):
    before = run.measured()
    engine.measure(run, rounds=3)
    assert run.measured() == before


def test_a_failing_operation_is_recorded_with_its_reason_and_leaves_nothing(tmp_path):
    from functools import partial

    from labkit.bench import engine_worker
    from labkit.bench.design import Trial
    from labkit.workloads import lifecycle

    os.chmod(tmp_path, 0o755)
    run = Run(tmp_path / "run")
    run.begin()
    place = engine_worker.prepare(str(tmp_path))
    os.unlink(tmp_path / "rootfs" / "payload")
    runtime = driver("labkit-oci")
    operation = partial(lifecycle.create_start_delete, runtime, place)
    trial = Trial("engine", "warm", 0, 0, "create-start-delete.labkit-oci")
    engine_worker.run_trial(run, trial, operation, (runtime, runtime.probe()))
    frame = run.observations()
    assert (frame["status"][0], frame["metric"][0]) == ("failed", "create_start_delete")
    assert "payload" in frame["reason"][0]
    assert [entry for entry in os.listdir(rundir("labkit-oci")) if entry.startswith("labkit-")] == []


def test_containers_that_live_at_once_take_one_process_beside_their_own(run):
    engine.measure_density(run, alive=20, series=1)
    engine.measure_density(run, alive=20, series=2)
    observations = run.observations("density")
    starts = observations[observations["metric"] == "start"].groupby("position")["value"]
    assert starts.count().tolist() == [20, 20]
    counted = observations.groupby("metric")["value"]
    assert counted.max()["other_processes"] == 1
    assert counted.min()["other_memory"] > 0

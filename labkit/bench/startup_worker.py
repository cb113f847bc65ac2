"""The process that measures the start-up: `python -m labkit.bench.startup_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from labkit.bench import cold
from labkit.bench.attempt import Lost, attempt
from labkit.bench.design import Trial, blocks
from labkit.bench.rounds import lacking
from labkit.bench.row import row
from labkit.bench.sparse import in_block
from labkit.bench.startup import AGAIN, EXPERIMENT
from labkit.bench.store import Run
from labkit.bench.worker import main, new_id, same_versions, session, tell
from labkit.errors import LabkitError
from labkit.runtimes import Probe, Runtime, driver
from labkit.runtimes.microvm import FLAG
from labkit.runtimes.runc import runc
from labkit.workloads import startup
from labkit.workloads.measurement import Measurement

_WARM_UPS = 2


def measure(run: Run, runtimes: list[str], warm_blocks: int, cold_blocks: int, seed: int) -> None:
    """Try every runtime out, then run the trials that are missing, warm ones first."""
    tell(0, 0, "trying the runtimes out")
    run.begin()
    available: dict[str, tuple[Runtime, Probe]] = {}
    for label in runtimes:
        runtime = runc(AGAIN) if label == AGAIN else driver(label)
        probe = runtime.probe()
        if probe.available:
            available[label] = (runtime, probe)
        _note_unavailable(run, runtime, probe)
    if not available:
        raise LabkitError("none of the runtimes is available here", "labkit doctor says why, and what to type")
    observations = run.observations(EXPERIMENT)
    same_versions(observations, available)
    trials = _lacking(observations, "warm", available, warm_blocks, seed)
    if reason := cold.possible() if cold_blocks else "":
        tell(0, 0, f"no cold starts: {reason}")
    else:
        trials += _lacking(observations, "cold", available, cold_blocks, seed)
    if trials:
        _run_trials(run, seed, trials, available)
    tell(len(trials), len(trials), "all is measured")


def _lacking(
    observations: pd.DataFrame, condition: str, available: Mapping[str, tuple[Runtime, Probe]], wanted: int, seed: int
) -> list[Trial]:
    rows = observations[observations["condition"] == condition]
    return [
        trial
        for number in lacking(rows, wanted, lambda number: in_block(available, number))
        for trial in blocks(EXPERIMENT, condition, in_block(available, number), [number], seed)
    ]


def _note_unavailable(run: Run, runtime: Runtime, probe: Probe) -> None:
    """A runtime that is not there is named in the data, with its reason, and never just left out."""
    key = f"{EXPERIMENT}-unavailable-{runtime.name}"
    if probe.available:
        run.remove(key)
        return
    trial = Trial(EXPERIMENT, "", -1, -1, runtime.name)
    _add_without_value(run, key, trial, runtime, probe, "unavailable", probe.reason)


def _run_trials(run: Run, seed: int, trials: list[Trial], available: dict[str, tuple[Runtime, Probe]]) -> None:
    with session(run, EXPERIMENT, seed, len(trials)) as scratch:
        place = startup.prepare(scratch)
        # For cold trials too: what a driver reads only once is then not read while one is timed.
        _warm_up(available, place)
        for done, trial in enumerate(trials):
            tell(done, len(trials), f"{trial.runtime}, {trial.condition}")
            run_trial(run, trial, *available[trial.runtime], place)


def _warm_up(available: dict[str, tuple[Runtime, Probe]], place: str) -> None:
    for runtime, probe in available.values():
        # An emulated machine has been booted when it was tried out, and takes many seconds.
        for _ in range(0 if FLAG in probe.flags else _WARM_UPS):
            with tempfile.TemporaryFile() as log:
                try:
                    startup.trial(runtime, place, new_id(), log.fileno())
                except LabkitError:
                    break  # Its trials will fail too, and be recorded.


def run_trial(run: Run, trial: Trial, runtime: Runtime, probe: Probe, place: str) -> None:
    """Run one trial and record it, as failed with the reason when it fails."""
    if trial.condition == "cold":
        runtime.cool()
        cold.drop_caches()
    measured = attempt(partial(startup.trial, runtime, place, new_id()))
    if isinstance(measured, Lost):
        _add_without_value(run, trial.key, trial, runtime, probe, "failed", measured.reason, measured.log)
        return
    run.add(trial.key, [_row(trial, runtime, probe, one) for one in measured])


def _row(
    trial: Trial, runtime: Runtime, probe: Probe, measured: Measurement, status: str = "ok", reason: str = ""
) -> dict[str, Any]:
    return row(trial, trial.runtime, startup.NAME, runtime.parameters, probe, measured, status, reason)


def _add_without_value(
    run: Run, key: str, trial: Trial, runtime: Runtime, probe: Probe, status: str, reason: str, log: str = ""
) -> None:
    nothing = [Measurement(metric, unit, float("nan")) for metric, unit in startup.METRICS]
    run.add(key, [_row(trial, runtime, probe, one, status, reason) for one in nothing], log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

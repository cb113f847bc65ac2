"""The one process that measures: `python -m labkit.bench.worker FOLDER ORDER`, started by an experiment.

Writes a JSON line [done, total, text] to stdout for each trial; an error that a user can mend is the last line on
stderr as JSON [message, hint], with exit status USER_ERROR.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pandas as pd

from labkit.bench import cold, facts
from labkit.bench.design import Trial, blocks
from labkit.bench.row import now, row
from labkit.bench.sparse import in_block
from labkit.bench.startup import AGAIN, EXPERIMENT
from labkit.bench.store import Run
from labkit.bench.work import USER_ERROR
from labkit.errors import LabkitError
from labkit.linux.rundir import rundir
from labkit.runtimes import Probe, Runtime, driver
from labkit.runtimes.runc import runc
from labkit.workloads import startup
from labkit.workloads.measurement import Measurement

_WARM_UPS = 2


def main(argv: list[str], measure: Callable[..., None]) -> int:
    """Measure what is missing in the run `argv[0]` of the experiment; `argv[1]` has what `measure` wants, in JSON."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        order = json.loads(argv[1])
        with _alone():
            measure(Run(argv[0]), **order)
    except LabkitError as error:
        print(json.dumps([error.message, error.hint]), file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        # A full disk, above all: what was measured before is there already.
        hint = "make room, then start again to go on; what was measured is kept"
        print(json.dumps([f"{error.filename or argv[0]}: {error.strerror}", hint]), file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what follows is the removal of the sandbox, which a second signal must not cut short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def tell(done: int, total: int, text: str) -> None:
    """One line of progress."""
    print(json.dumps([done, total, text]), flush=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold this user's lock on measuring: two measurements at once would measure each other."""
    path = f"{rundir('measuring')}/lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(0, 0, "waiting for another measurement on this host")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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


def same_versions(observations: pd.DataFrame, available: dict[str, tuple[Runtime, Probe]]) -> None:
    """Raise LabkitError when a runtime is not what it was when the run began: one run compares one version of each."""
    measured = observations[observations["status"] != "unavailable"]
    for label, (_, probe) in available.items():
        others = set(measured.loc[measured["runtime"] == label, "version"]) - {probe.version}
        if others:
            raise LabkitError(
                f"{label} was {others.pop()} in this run and is {probe.version} now", "begin another: --fresh, or --run"
            )


def _lacking(
    observations: pd.DataFrame, condition: str, available: Mapping[str, tuple[Runtime, Probe]], wanted: int, seed: int
) -> list[Trial]:
    """New blocks, as many as complete ones are lacking.

    A block that was cut short, or lacks a runtime that has come since, stays as it is: its missing trials would meet
    another state of the machine than those that are there.
    """
    rows = observations[(observations["experiment"] == EXPERIMENT) & (observations["condition"] == condition)]
    there = rows.groupby("block")["runtime"].agg(set)
    complete = sum(
        set(in_block(available, number)) <= runtimes for number, runtimes in zip(there.index, there, strict=True)
    )
    first = int(rows["block"].max()) + 1 if len(rows) else 0
    return [
        trial
        for number in range(first, first + max(0, wanted - complete))
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


@contextmanager
def session(run: Run, experiment: str, seed: int, trials: int) -> Iterator[str]:
    """Yield a folder for what the trials run, and record the session at its end, however it comes."""
    started, (stolen, ticks), load = now(), facts.steal_ticks(), os.getloadavg()
    # Collections of garbage would fall into some trials and not into others.
    gc.disable()
    with run.scratch() as scratch:
        try:
            yield scratch
        finally:
            later_stolen, later_ticks = facts.steal_ticks()
            run.add_session(
                {
                    "experiment": experiment,
                    "seed": seed,
                    "trials": trials,
                    "started": started.isoformat(timespec="seconds"),
                    "ended": now().isoformat(timespec="seconds"),
                    "load_before": list(load),
                    "load_after": list(os.getloadavg()),
                    "steal_percent": 100 * (later_stolen - stolen) / max(1, later_ticks - ticks),
                }
            )


def _run_trials(run: Run, seed: int, trials: list[Trial], available: dict[str, tuple[Runtime, Probe]]) -> None:
    with session(run, EXPERIMENT, seed, len(trials)) as scratch:
        place = startup.prepare(scratch)
        # For cold trials too: what a driver reads only once is then not read while one is timed.
        _warm_up(available, place)
        for done, trial in enumerate(trials):
            tell(done, len(trials), f"{trial.runtime}, {trial.condition}")
            run_trial(run, trial, *available[trial.runtime], place)


def _warm_up(available: dict[str, tuple[Runtime, Probe]], place: str) -> None:
    for runtime, _ in available.values():
        for _ in range(_WARM_UPS):
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
    with tempfile.TemporaryFile() as log:
        try:
            measured = startup.trial(runtime, place, new_id(), log.fileno())
        except LabkitError as error:
            said = os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace")
            log_text = said or error.message
            _add_without_value(run, trial.key, trial, runtime, probe, "failed", error.message, log_text)
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


def new_id() -> str:
    """An id for one sandbox."""
    return f"labkit-{os.urandom(5).hex()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

"""The process that measures isolation: `python -m labkit.bench.isolation_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence

import pandas as pd

from labkit.bench import account, host_calls
from labkit.bench.available import available
from labkit.bench.design import Trial, blocks
from labkit.bench.isolation import ATTEMPTS, CALL_TRACER, CALLS, EXPERIMENT, FUNCTION_TRACER, FUNCTIONS, PROBE, SMALL
from labkit.bench.isolation_trial import Rooms, attempted, probed, traced
from labkit.bench.row import row
from labkit.bench.store import Run
from labkit.bench.study_trial import Place
from labkit.bench.treatment import Treatment
from labkit.bench.worker import main, new_id, session, tell
from labkit.errors import LabkitError
from labkit.images import image
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare
from labkit.runtimes import Probe
from labkit.workloads import all as every
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload

# A workload that never came to its end in a runtime is given up after so many failures.
_FAILURES = 2


def measure(
    run: Run,
    blocks: int,
    labels: list[str],
    workloads: list[str],
    scale: float,
    budget: float,
    emulated: bool,
    seed: int,
) -> None:
    """Try every runtime and the tracer out, then run the blocks that are missing."""
    begun = time.monotonic()
    if os.geteuid() != 0:
        raise LabkitError("the isolation experiment asks for root: it traces the kernel", "sudo labkit reproduce")
    run.begin()
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    account.remove_forgotten()
    chosen = every.chosen(tuple(workloads)) if workloads else ()
    lacks_calls, lacks_functions = host_calls.lacking()
    _note_tracer(run, CALL_TRACER, CALLS, lacks_calls)
    _note_tracer(run, FUNCTION_TRACER, FUNCTIONS, lacks_functions)
    there = available(run, (EXPERIMENT,), labels, emulated)
    by_name: dict[str, Workload | None] = dict.fromkeys(SMALL) | {one.name: one for one in chosen}
    wanted = {PROBE: 1, ATTEMPTS: 1} | ({} if lacks_calls else dict.fromkeys(by_name, blocks))
    observations = run.observations(EXPERIMENT)
    todo = _order(observations, wanted, list(there), seed)
    with session(run, EXPERIMENT, seed, len(todo)) as scratch:
        if not todo:
            return
        os.chmod(scratch, 0o755)
        rooms = Rooms(scratch, os.fspath(image("busybox")), _study(chosen, scratch, scale))
        rooms.make()
        failed = _failures(observations)
        for done, trial in enumerate(todo):
            if budget and trial.position == 0 and time.monotonic() - begun > budget:
                tell(1, 1, "the time is over; what is missing is measured next time")
                return
            tell(done, len(todo), f"{trial.condition}, {trial.runtime}")
            key = trial.condition, trial.runtime
            if failed.get(key, 0) < _FAILURES:
                good = run_trial(run, trial, *there[trial.runtime], rooms, by_name, not lacks_functions)
                failed[key] = -sys.maxsize if good else failed.get(key, 0) + 1
    tell(1, 1, "all is measured")


def _study(workloads: Sequence[Workload], scratch: str, scale: float) -> Place | None:
    """Where workloads of the study are run, on the CPUs as there."""
    if not workloads:
        return None
    tell(0, 0, "building the image of the workloads")
    rootfs = os.fspath(image(every.image()))
    cpus = sorted(os.sched_getaffinity(0))
    split = (frozenset(cpus[:-1]), frozenset(cpus[-1:])) if len(cpus) > 1 else (frozenset(cpus),) * 2
    return Place(rootfs, scratch, scale, *split)


def _note_tracer(run: Run, name: str, metric: str, reason: str) -> None:
    """A tracer that the host lacks is named in the data, with the reason."""
    key = f"{EXPERIMENT}-unavailable-{name}"
    if not reason:
        run.remove(key)
        return
    nothing = [Measurement(metric, "1", float("nan"))]
    _add(run, key, Trial(EXPERIMENT, "", -1, -1, name), "", Probe(False), nothing, "unavailable", reason)


def _order(observations: pd.DataFrame, wanted: dict[str, int], labels: list[str], seed: int) -> list[Trial]:
    """The trials that are missing: rounds of one block of each condition, these in an order drawn anew."""
    numbers: dict[str, range] = {}
    failures = _failures(observations)
    for name, count in wanted.items():
        rows = observations[(observations["condition"] == name) & (observations["block"] >= 0)]
        given_up = {label for label in labels if failures.get((name, label), 0) >= _FAILURES}
        there = rows.groupby("block")["runtime"].agg(set)
        complete = sum(set(labels) - given_up <= found for found in there)
        first = int(rows["block"].max()) + 1 if len(rows) else 0
        numbers[name] = range(first, first + max(0, count - complete))
    found = []
    for turn in range(max((len(those) for those in numbers.values()), default=0)):
        names = [name for name, those in numbers.items() if len(those) > turn]
        for name in random.Random(f"{seed} {turn}").sample(names, len(names)):
            found += blocks(EXPERIMENT, name, labels, [numbers[name][turn]], seed)
    return found


def _failures(observations: pd.DataFrame) -> dict[tuple[str, str], int]:
    """How often each condition failed in each runtime; far below 0 where it went well once."""
    rows = observations[observations["block"] >= 0]
    return {
        (str(name), str(label)): -sys.maxsize if (group["status"] == "ok").any() else int(group["block"].nunique())
        for (name, label), group in rows.groupby(["condition", "runtime"])
    }


def run_trial(
    run: Run,
    trial: Trial,
    one: Treatment,
    probe: Probe,
    rooms: Rooms,
    workloads: dict[str, Workload | None],
    functions: bool,
) -> bool:
    """Run one trial and record it, as failed with the reason when it fails; whether it went well."""
    parameters = one.runtime.parameters
    with tempfile.TemporaryFile() as log:
        try:
            if trial.condition == PROBE:
                measured = probed(one, rooms)
            elif trial.condition == ATTEMPTS:
                measured = attempted(one, rooms)
            else:
                workload = workloads[trial.condition]
                measured = traced(one, trial.condition, workload, rooms, new_id(), log.fileno(), functions)
        except LabkitError as error:
            said = os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace") or error.message
            nothing = [Measurement(CALLS, "1", float("nan"))]
            _add(run, trial.key, trial, parameters, probe, nothing, "failed", error.message, said)
            return False
    _add(run, trial.key, trial, parameters, probe, measured)
    return True


def _add(
    run: Run,
    key: str,
    trial: Trial,
    parameters: str,
    probe: Probe,
    measured: Sequence[Measurement],
    status: str = "ok",
    reason: str = "",
    log: str = "",
) -> None:
    rows = [row(trial, trial.runtime, trial.condition, parameters, probe, m, status, reason) for m in measured]
    run.add(key, rows, log)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

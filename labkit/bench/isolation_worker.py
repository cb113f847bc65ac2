"""The process that measures isolation: `python -m labkit.bench.isolation_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from labkit.bench import host_calls, rounds
from labkit.bench.attempt import Lost, attempt
from labkit.bench.available import available
from labkit.bench.design import Trial
from labkit.bench.isolation import (
    ATTEMPTS,
    CALL_TRACER,
    CALLS,
    EXPERIMENT,
    FUNCTION_TRACER,
    FUNCTIONS,
    PROBE,
    SMALL,
    Isolation,
)
from labkit.bench.isolation_trial import Rooms, attempted, probed, traced
from labkit.bench.place import built, place
from labkit.bench.row import row
from labkit.bench.sparse import in_block
from labkit.bench.store import Run
from labkit.bench.treatment import Treatment
from labkit.bench.worker import begin_as_root, main, new_id, own_mounts, session, tell
from labkit.images import image
from labkit.runtimes import Probe
from labkit.workloads import all as every
from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import Workload


def measure(run: Run, **order: Any) -> None:
    """Try every runtime and the tracer out, then run the blocks that are missing."""
    begun = time.monotonic()
    declared = Isolation(**order)
    begin_as_root(run, "the isolation experiment asks for root: it traces the kernel")
    own_mounts()
    chosen = every.chosen(tuple(declared.workloads)) if declared.workloads else ()
    lacks_calls, lacks_functions = host_calls.lacking()
    _note_tracer(run, CALL_TRACER, CALLS, lacks_calls)
    _note_tracer(run, FUNCTION_TRACER, FUNCTIONS, lacks_functions)
    there = available(run, (EXPERIMENT,), declared.labels, declared.emulated)
    by_name: dict[str, Workload | None] = dict.fromkeys(SMALL) | {one.name: one for one in chosen}
    wanted = {PROBE: 1, ATTEMPTS: 1} | ({} if lacks_calls else dict.fromkeys(by_name, declared.blocks))
    observations = run.observations(EXPERIMENT)
    todo = list(rounds.order(EXPERIMENT, observations, wanted, lambda number: in_block(there, number), declared.seed))
    with session(run, EXPERIMENT, declared.seed, len(todo)) as scratch:
        if not todo:
            return
        os.chmod(scratch, 0o755)
        study = place(built(), scratch, declared.scale) if chosen else None
        rooms = Rooms(scratch, os.fspath(image("busybox")), study)
        rooms.make()
        end = begun + declared.budget if declared.budget else 0.0

        def act(trial: Trial) -> bool:
            return run_trial(run, trial, *there[trial.runtime], rooms, by_name, not lacks_functions)

        if rounds.run(todo, rounds.failures(observations), end, act):
            return
    tell(1, 1, "all is measured")


def _note_tracer(run: Run, name: str, metric: str, reason: str) -> None:
    """A tracer that the host lacks is named in the data, with the reason."""
    key = f"{EXPERIMENT}-unavailable-{name}"
    if not reason:
        run.remove(key)
        return
    nothing = [Measurement(metric, "1", float("nan"))]
    _add(run, key, Trial(EXPERIMENT, "", -1, -1, name), "", Probe(False), nothing, "unavailable", reason)


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

    def act(log: int) -> list[Measurement]:
        if trial.condition == PROBE:
            return probed(one, rooms)
        if trial.condition == ATTEMPTS:
            return attempted(one, rooms)
        return traced(one, trial.condition, workloads[trial.condition], rooms, new_id(), log, functions)

    measured = attempt(act)
    if isinstance(measured, Lost):
        nothing = [Measurement(CALLS, "1", float("nan"))]
        _add(run, trial.key, trial, parameters, probe, nothing, "failed", measured.reason, measured.log)
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

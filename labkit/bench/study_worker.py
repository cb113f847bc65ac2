"""The process that measures the study: `python -m labkit.bench.study_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from labkit.bench import rounds
from labkit.bench.attempt import Lost, attempt
from labkit.bench.available import available, note
from labkit.bench.design import Trial
from labkit.bench.place import Place, built, place
from labkit.bench.row import row
from labkit.bench.sizing import needed
from labkit.bench.sparse import in_block
from labkit.bench.store import Run
from labkit.bench.study import EXPERIMENT, Study
from labkit.bench.study_trial import trial
from labkit.bench.treatment import Treatment
from labkit.bench.worker import begin_as_root, main, new_id, own_mounts, session, tell
from labkit.runtimes import Probe
from labkit.runtimes.labkit import Labkit
from labkit.workloads import all as every
from labkit.workloads.workload import Workload

_BASELINE = "runc"


def measure(run: Run, **order: Any) -> None:
    """Try every runtime out, then run round after round until each workload has its blocks or the time is over."""
    begun = time.monotonic()
    declared = Study(**order)
    chosen = every.chosen(tuple(declared.workloads))
    begin_as_root(run, "the study asks for root: it makes cgroups, cables and namespaces")
    own_mounts()
    there = available(run, (EXPERIMENT,), declared.labels, declared.emulated)
    rootfs = built()
    wanted = {one.name: declared.core_blocks if one.core else declared.other_blocks for one in chosen}
    by_name = {one.name: one for one in chosen}
    end = begun + declared.budget if declared.budget else 0.0
    with session(run, EXPERIMENT, declared.seed, 0) as scratch:
        os.chmod(scratch, 0o755)
        here = place(rootfs, scratch, declared.scale)
        _engine_on(here.sandbox_cpus)
        os.sched_setaffinity(0, here.load_cpus)

        def act(next_trial: Trial) -> bool:
            return run_trial(run, next_trial, by_name[next_trial.condition], *there[next_trial.runtime], here)

        def go(wanted: Mapping[str, int]) -> bool:
            """Run the blocks that are missing; whether the time was over before."""
            known = run.observations(EXPERIMENT)
            todo = list(rounds.order(EXPERIMENT, known, wanted, lambda number: in_block(there, number), declared.seed))
            return rounds.run(todo, rounds.failures(known), end, act)

        over = go(wanted)
        if declared.most_blocks and not over:
            sizes = sized(run.observations(EXPERIMENT), chosen, declared.target)
            most = declared.most_blocks
            over = go({name: min(most, max(count, sizes.get(name, 0))) for name, count in wanted.items()})
    if not over:
        tell(1, 1, "all is measured")


def _engine_on(cpus: frozenset[int]) -> None:
    """Start labkit's spawner on the sandboxes' CPUs: its containers are born of it, not of this process."""
    os.sched_setaffinity(0, cpus)
    engine = Labkit()
    engine.cool()
    engine.probe()


def sized(observations: pd.DataFrame, workloads: Sequence[Workload], target: float) -> dict[str, int]:
    """How many blocks each workload needs, by the treatment whose ratio to the baseline varies most."""
    found: dict[str, int] = {}
    good = observations[observations["status"] == "ok"]
    for one in workloads:
        rows = good[(good["condition"] == one.name) & (good["metric"] == one.main)]
        table = rows.pivot_table(index="block", columns="runtime", values="value")
        if _BASELINE in table:
            ratios = table.div(table[_BASELINE], axis=0)
            found[one.name] = max(needed(list(ratios[label].dropna()), target) for label in table)
    return found


def run_trial(run: Run, next_trial: Trial, workload: Workload, one: Treatment, probe: Probe, here: Place) -> bool:
    """Run one trial and record it, as failed with the reason when it fails; whether it went well."""
    measured = attempt(partial(trial, one, workload, here, new_id()))
    if isinstance(measured, Lost):
        note(run, next_trial.key, next_trial, one, probe, "failed", measured.reason, workload.name, measured.log)
        return False
    run.add(next_trial.key, [row(next_trial, one.label, workload.name, one.parameters, probe, m) for m in measured])
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

"""The process that measures the study: `python -m labkit.bench.study_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import errno
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import pandas as pd

from labkit.bench import account
from labkit.bench.available import Available, available, note
from labkit.bench.design import Trial, blocks
from labkit.bench.row import row
from labkit.bench.sizing import needed
from labkit.bench.sparse import in_block
from labkit.bench.store import Run
from labkit.bench.study import EXPERIMENT
from labkit.bench.study_trial import Place, trial
from labkit.bench.treatment import Treatment
from labkit.bench.worker import main, new_id, session, tell
from labkit.errors import LabkitError
from labkit.images import image
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare
from labkit.runtimes import Probe
from labkit.runtimes.labkit import Labkit
from labkit.workloads import all as every
from labkit.workloads.workload import Workload

_BASELINE = "runc"
# A workload that never came to its end in a runtime is given up after so many failures.
_FAILURES = 2
# What ends the run, since no trial could be recorded any more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def measure(
    run: Run,
    labels: list[str],
    workloads: list[str],
    core_blocks: int,
    other_blocks: int,
    scale: float,
    most_blocks: int,
    target: float,
    budget: float,
    emulated: bool,
    seed: int,
) -> None:
    """Try every runtime out, then run round after round until each workload has its blocks or the time is over."""
    begun = time.monotonic()
    if os.geteuid() != 0:
        raise LabkitError("the study asks for root: it makes cgroups, cables and namespaces", "sudo labkit reproduce")
    chosen = every.chosen(tuple(workloads))
    run.begin()
    _own_mounts()
    account.remove_forgotten()
    there = available(run, (EXPERIMENT,), labels, emulated)
    tell(0, 0, "building the image of the workloads")
    rootfs = os.fspath(image(every.image()))
    wanted = {one.name: core_blocks if one.core else other_blocks for one in chosen}
    cpus = sorted(os.sched_getaffinity(0))
    with session(run, EXPERIMENT, seed, 0) as scratch:
        os.chmod(scratch, 0o755)
        # The load, and this process, have the last CPU to themselves where there is more than one.
        split = (frozenset(cpus[:-1]), frozenset(cpus[-1:])) if len(cpus) > 1 else (frozenset(cpus),) * 2
        _engine_on(split[0])
        os.sched_setaffinity(0, split[1])
        place = Place(rootfs, scratch, scale, *split)
        for pilot in (True, False) if most_blocks else (True,):
            if not pilot:
                sizes = sized(run.observations(EXPERIMENT), chosen, target)
                wanted = {name: min(most_blocks, max(wanted[name], sizes.get(name, 0))) for name in wanted}
            over = _rounds(run, chosen, wanted, there, place, seed, begun + budget if budget else 0.0)
            if over:
                tell(1, 1, "the time is over; what is missing is measured next time")
                return
    tell(1, 1, "all is measured")


def _own_mounts() -> None:
    """What is mounted for a trial (see link) is in a mount namespace of this process alone."""
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)


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


def _rounds(
    run: Run,
    workloads: Sequence[Workload],
    wanted: dict[str, int],
    there: Available,
    place: Place,
    seed: int,
    end: float,
) -> bool:
    """Run the blocks that are missing; whether the time was over before."""
    observations = run.observations(EXPERIMENT)
    todo = list(_order(observations, workloads, wanted, there, seed))
    failed = _hopeless(observations)
    for done, (one, next_trial) in enumerate(todo):
        if end and time.monotonic() > end and next_trial.position == 0:
            return True
        tell(done, len(todo), f"{one.name}, {next_trial.runtime}")
        key = (one.name, next_trial.runtime)
        if failed.get(key, 0) < _FAILURES:
            good = run_trial(run, next_trial, one, *there[next_trial.runtime], place)
            failed[key] = -sys.maxsize if good else failed.get(key, 0) + 1
    return False


def _order(
    observations: pd.DataFrame, workloads: Sequence[Workload], wanted: dict[str, int], treatments: Available, seed: int
) -> Iterator[tuple[Workload, Trial]]:
    """The trials that are missing: rounds of blocks, the workloads of each round in an order drawn anew."""
    first = {one.name: 0 for one in workloads}
    left = dict(wanted)
    for one in workloads:
        rows = observations[(observations["condition"] == one.name) & (observations["block"] >= 0)]
        # A block that was cut short stays as it is; see worker. A treatment that was given up is not waited for.
        there = rows.groupby("block")["runtime"].agg(set)
        given_up = {
            label for (name, label), n in _hopeless(observations).items() if name == one.name and n >= _FAILURES
        }
        left[one.name] -= sum(
            set(in_block(treatments, number)) - given_up <= those
            for number, those in zip(there.index, there, strict=True)
        )
        first[one.name] = int(rows["block"].max()) + 1 if len(rows) else 0
    for number in range(max(left.values(), default=0)):
        those = [one for one in workloads if left[one.name] > number]
        for one in random.Random(f"{seed} {number} {sorted(first.items())}").sample(those, len(those)):
            block = first[one.name] + number
            for found in blocks(EXPERIMENT, one.name, in_block(treatments, block), [block], seed):
                yield one, found


def _hopeless(observations: pd.DataFrame) -> dict[tuple[str, str], int]:
    """How often each workload failed in each runtime; far below 0 where it went well once."""
    rows = observations[observations["block"] >= 0].drop_duplicates(["condition", "runtime", "block"])
    found: dict[tuple[str, str], int] = {}
    for (name, label), group in rows.groupby(["condition", "runtime"]):
        good = bool((group["status"] == "ok").any())
        found[str(name), str(label)] = -sys.maxsize if good else len(group)
    return found


def run_trial(run: Run, next_trial: Trial, workload: Workload, one: Treatment, probe: Probe, place: Place) -> bool:
    """Run one trial and record it, as failed with the reason when it fails; whether it went well."""
    # Appended to: gVisor writes at places that it counts itself, over what another program has said.
    with tempfile.TemporaryFile("a+b") as log:
        try:
            measured = trial(one, workload, place, new_id(), log.fileno())
        except (LabkitError, OSError) as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            reason = error.message if isinstance(error, LabkitError) else str(error)
            said = os.pread(log.fileno(), 1 << 20, 0).decode(errors="replace") or reason
            note(run, next_trial.key, next_trial, one, probe, "failed", reason, workload.name, said)
            return False
    run.add(next_trial.key, [row(next_trial, one.label, workload.name, one.parameters, probe, m) for m in measured])
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

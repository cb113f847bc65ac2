"""The process that measures how sandboxes live: `python -m labkit.bench.lives_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

import pandas as pd

from labkit.bench.account import Account
from labkit.bench.attempt import Lost, attempt
from labkit.bench.available import Available, available, note
from labkit.bench.design import Trial, blocks
from labkit.bench.lives import CROWD, IDLE, PHASES
from labkit.bench.rounds import lacking
from labkit.bench.row import row
from labkit.bench.sparse import in_block
from labkit.bench.store import Run
from labkit.bench.treatment import Treatment
from labkit.bench.worker import begin_as_root, main, new_id, session, tell
from labkit.errors import LabkitError
from labkit.images import image, payload
from labkit.runtimes import Sandbox, bundle
from labkit.workloads import crowd, idle, phases
from labkit.workloads.measurement import Measurement

# What a trial gives: measurements by the condition that they belong to.
Found = dict[str, list[Measurement]]


def measure(
    run: Run, blocks: int, crowds: list[int], idle: list[int], labels: list[str], emulated: bool, seed: int
) -> None:
    """Try every runtime out, then run the blocks that are missing, part by part."""
    begin_as_root(run, "sandboxes by the dozen ask for root: they are told apart by cgroups")
    there = available(run, (PHASES, IDLE), labels, emulated)
    # A crowd of them would share an emulator that is slow for one.
    crowded = available(run, (CROWD,), labels, emulated=False)
    parts: list[tuple[str, str, Available, Callable[[Treatment, str, int], Found]]] = [
        (PHASES, PHASES, there, _phases),
        *((CROWD, f"{count} at once", crowded, _crowd_of(count)) for count in crowds),
        *(((IDLE, f"up to {max(idle)}", there, _idle_at(idle)),) if idle else ()),
    ]
    todo = [
        (work, trial)
        for part, condition, those, work in parts
        for trial in _lacking(run.observations(part), part, condition, those, blocks, seed)
    ]
    if todo:
        with session(run, "lives", seed, len(todo)) as scratch:
            os.chmod(scratch, 0o755)
            payload.make(f"{scratch}/rootfs")
            for done, (work, trial) in enumerate(todo):
                tell(done, len(todo), f"{trial.condition}, {trial.runtime}")
                run_trial(run, trial, there, scratch, work)
    tell(len(todo), len(todo), "all is measured")


def _lacking(
    observations: pd.DataFrame, part: str, condition: str, there: Available, wanted: int, seed: int
) -> list[Trial]:
    """New blocks, as many as complete ones are lacking; a trial's condition begins with that of its part."""
    rows = observations[observations["workload"] == condition]
    numbers = lacking(rows, wanted, lambda number: in_block(there, number))
    return [trial for number in numbers for trial in blocks(part, condition, in_block(there, number), [number], seed)]


def run_trial(
    run: Run, trial: Trial, there: Available, scratch: str, work: Callable[[Treatment, str, int], Found]
) -> None:
    """Run one trial and record it, as failed with the reason when it fails."""
    one, probe = there[trial.runtime]
    key = trial.key.replace(" ", "-")
    found = attempt(partial(work, one, scratch))
    if isinstance(found, Lost):
        note(run, key, trial, one, probe, "failed", found.reason, trial.condition, found.log)
        return
    run.add(
        key,
        [
            row(replace(trial, condition=condition), one.label, trial.condition, one.parameters, probe, measured)
            for condition, measurements in found.items()
            for measured in measurements
        ],
    )


def _phases(one: Treatment, scratch: str, log: int) -> Found:
    if "create" in one.runtime.lacks:
        raise LabkitError("it does not create a sandbox apart from its program", "its whole life is in start-up")
    with _placed(one, scratch, f"{scratch}/rootfs", (payload.PATH,)) as place:
        return {PHASES: phases.trial(one.runtime, place, new_id(), log)}


def _crowd_of(count: int) -> Callable[[Treatment, str, int], Found]:
    def work(one: Treatment, scratch: str, log: int) -> Found:
        with _placed(one, scratch, f"{scratch}/rootfs", (payload.PATH,)) as place:
            id = new_id()
            ids = [f"{id}-{number}" for number in range(count)]
            return {f"{count} at once": crowd.trial(one.runtime, place, ids, log)}

    return work


def _idle_at(levels: Sequence[int]) -> Callable[[Treatment, str, int], Found]:
    def work(one: Treatment, scratch: str, log: int) -> Found:
        id = new_id()
        ids = [f"{id}-{number}" for number in range(max(levels))]
        with ExitStack() as stack:
            counted = stack.enter_context(Account(id))

            def start(id: str, stdio: tuple[int, int, int]) -> Sandbox:
                # Each has a bundle of its own, as it has a cgroup of its own below the one that is read.
                path = f"{counted.path.rpartition('/')[0]}/{id}"
                place = stack.enter_context(_placed(one, scratch, os.fspath(image("busybox")), idle.ARGS, path))
                with counted.entered():
                    return one.runtime.start(place, id, stdio)

            found = idle.trial(one.runtime, start, ids, levels, counted.memory_now, log)
        return {f"{level} idle": measured for level, measured in found.items()}

    return work


@contextmanager
def _placed(one: Treatment, scratch: str, rootfs: str, args: tuple[str, ...], cgroup: str = "") -> Iterator[str]:
    """A bundle as the treatment changes it; yields its folder."""
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=scratch) as folder:
        os.chmod(folder, 0o755)
        spec = bundle.spec(rootfs, args)
        if cgroup:
            spec.linux.cgroups_path = cgroup
        one.alter(spec)
        yield bundle.write(folder, spec)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

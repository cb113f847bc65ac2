"""The process that measures the ablation: `python -m labkit.bench.ablation_worker FOLDER ORDER`; see worker."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from labkit.bench import rounds
from labkit.bench.ablation import EXPERIMENT, FULL, START, Ablation, labels, treatment
from labkit.bench.attempt import Lost, attempt
from labkit.bench.design import Trial, blocks
from labkit.bench.place import built, place
from labkit.bench.row import row
from labkit.bench.store import Run
from labkit.bench.study_trial import trial as run_workload
from labkit.bench.treatment import Treatment
from labkit.bench.worker import begin_as_root, main, new_id, own_mounts, same_versions, session, tell
from labkit.errors import LabkitError
from labkit.images import payload
from labkit.linux.mount import MNT_DETACH, mount, umount2
from labkit.runtimes import Probe, bundle
from labkit.workloads import all as every
from labkit.workloads import startup
from labkit.workloads.measurement import Measurement

_WARM_UPS = 2


def measure(run: Run, **order: Any) -> None:
    """Run the blocks of the start-up that are missing, then those of the workloads."""
    begun = time.monotonic()
    declared = Ablation(**order)
    begin_as_root(run, "the ablation asks for root: most mechanisms are root's to leave out")
    own_mounts()
    tell(0, 0, "trying labkit out")
    runtime = treatment(FULL).runtime
    probe = runtime.probe()
    if not probe.available:
        raise LabkitError(f"labkit's own engine does not work here: {probe.reason}", "labkit doctor")
    observations = run.observations(EXPERIMENT)
    same_versions(observations, dict.fromkeys(labels(), (runtime, probe)))
    numbers = rounds.lacking(observations[observations["condition"] == START], declared.blocks, lambda number: labels())
    started = blocks(EXPERIMENT, START, labels(), numbers, declared.seed)
    end = begun + declared.budget if declared.budget else 0.0
    with session(run, EXPERIMENT, declared.seed, len(started)) as scratch:
        os.chmod(scratch, 0o755)
        if started:
            _measure_start(run, started, probe, scratch)
        over = _measure_workloads(run, declared, end, probe, scratch)
    if not over:
        tell(1, 1, "all is measured")


@contextmanager
def overlaid(rootfs: str, folder: str) -> Iterator[str]:
    """An overlay of `rootfs`, mounted in this process's own mount namespace below `folder`; yields its root.

    What is written to it goes to memory. Raises LabkitError where the kernel has no overlayfs.
    """
    place = tempfile.mkdtemp(prefix="overlay-", dir=folder)
    os.chmod(place, 0o755)
    try:
        # A tmpfs, since an overlay's upper layer may not lie on an overlay, which the scratch folder may be on.
        mount("tmpfs", place, "tmpfs", 0, "mode=755")
        try:
            for name in ("upper", "work", "merged"):
                os.mkdir(f"{place}/{name}")
            data = f"lowerdir={_escaped(rootfs)},upperdir={place}/upper,workdir={place}/work"
            mount("overlay", f"{place}/merged", "overlay", 0, data)
            yield f"{place}/merged"
        finally:
            # With it goes what is mounted on it.
            umount2(place, MNT_DETACH)
    except OSError as error:
        raise LabkitError(f"no overlay can be mounted: {error.strerror}", "does this kernel have overlayfs?") from error
    finally:
        os.rmdir(place)


def _escaped(path: str) -> str:
    # Documentation/filesystems/overlayfs.rst: a colon parts layers, a comma parts options.
    for letter in ("\\", ":", ","):
        path = path.replace(letter, f"\\{letter}")
    return path


def _measure_start(run: Run, trials: list[Trial], probe: Probe, scratch: str) -> None:
    with ExitStack() as stack:
        rootfs = f"{scratch}/rootfs"
        payload.make(rootfs)
        overlay = stack.enter_context(overlaid(rootfs, scratch))
        names = list(dict.fromkeys(trial.runtime for trial in trials))
        treatments = {name: treatment(name, overlay) for name in names}
        places = {}
        for number, (name, one) in enumerate(treatments.items()):
            spec = bundle.spec(rootfs, (payload.PATH,))
            one.alter(spec)
            places[name] = bundle.write(f"{scratch}/bundle-{number}", spec)
        # The first of each also compiles what is then kept: a filter.
        for name, one in treatments.items():
            tell(0, 0, f"warming up: {name}")
            for _ in range(_WARM_UPS):
                with tempfile.TemporaryFile() as log:
                    try:
                        startup.trial(one.runtime, places[name], new_id(), log.fileno())
                    except LabkitError:
                        break  # Its trials will fail too, and be recorded.
        for done, trial in enumerate(trials):
            tell(done, len(trials), f"{START}, {trial.runtime}")
            one = treatments[trial.runtime]
            _record(run, trial, one, probe, partial(startup.trial, one.runtime, places[trial.runtime], new_id()))


def _measure_workloads(run: Run, declared: Ablation, end: float, probe: Probe, scratch: str) -> bool:
    """Rounds of one block of each workload; whether the time was over before all was done."""
    chosen = every.chosen(tuple(declared.workloads)) if declared.workloads else ()
    by_name = {one.name: one for one in chosen}
    names = labels(declared.mechanisms)
    known = run.observations(EXPERIMENT)
    wanted = dict.fromkeys(by_name, declared.workload_blocks)
    todo = list(rounds.order(EXPERIMENT, known, wanted, lambda number: names, declared.seed))
    if not todo:
        return False
    here = place(built(), scratch, declared.scale)
    os.sched_setaffinity(0, here.load_cpus)
    with overlaid(here.rootfs, scratch) as overlay:
        treatments = {name: treatment(name, overlay) for name in names}

        def act(trial: Trial) -> bool:
            one, workload = treatments[trial.runtime], by_name[trial.condition]
            return _record(run, trial, one, probe, partial(run_workload, one, workload, here, new_id()))

        return rounds.run(todo, rounds.failures(known), end, act)


def _record(run: Run, trial: Trial, one: Treatment, probe: Probe, act: Callable[[int], Sequence[Measurement]]) -> bool:
    """Run one trial, which is told where to write its log, and record it, as failed with the reason when it fails.

    Returns whether it went well.
    """
    found = attempt(act)
    nothing = [Measurement("whole_life", "s", float("nan"))]
    measured, status, reason, log = (
        (nothing, "failed", found.reason, found.log) if isinstance(found, Lost) else (found, "ok", "", "")
    )
    rows = [row(trial, one.label, trial.condition, one.runtime.parameters, probe, m, status, reason) for m in measured]
    run.add(trial.key, rows, log)
    return status == "ok"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

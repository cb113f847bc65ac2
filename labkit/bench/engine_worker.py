"""The process that measures the engine's benchmark: `python -m labkit.bench.engine_worker FOLDER ORDER`."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from labkit.bench.attempt import Lost, attempt
from labkit.bench.design import Trial, blocks
from labkit.bench.engine import AT_A_TIME, BARE, EXPERIMENT, KERNEL, OPERATIONS, PYTHON, RUNTIMES, TREATMENTS
from labkit.bench.rounds import lacking
from labkit.bench.row import row
from labkit.bench.sparse import in_block
from labkit.bench.store import Run
from labkit.bench.worker import main, new_id, same_versions, session, tell
from labkit.errors import LabkitError
from labkit.images import payload
from labkit.runtimes import Probe, Runtime, bundle, driver
from labkit.runtimes.labkit import filter_seconds
from labkit.runtimes.microvm import FLAG, Microvm
from labkit.runtimes.oci import OciRuntime
from labkit.spec.load import load_bundle
from labkit.workloads import boot, cgroups, lifecycle, security, startup
from labkit.workloads.measurement import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    # What runs one trial: of an id and a descriptor for the runtime's own messages.
    Operation = Callable[[str, int], list[Measurement]]
    Available = dict[str, tuple[Runtime | None, Probe]]

_WARM_UPS = 2
# Containers of one trial of throughput: enough that the first and the last few do not decide.
_BATCH = 4 * AT_A_TIME
# The metrics of an operation, for a trial without values; that of `cgroups` is the host's.
_METRICS = {
    "run": startup.METRICS,
    "create-start-delete": (("create_start_delete", "s"),),
    "state": (("state", "s"),),
    "sixteen": (("throughput", "1/s"),),
    "sampling": (("sampling", "s/s"),),
    "filter": (("filter_compiled", "s"), ("filter_cached", "s")),
    "security": ((security.METRIC, "s"),),
    "boot": ((boot.METRIC, "s"),),
}


def measure(run: Run, rounds: int, seed: int) -> None:
    """Try every runtime out, then run the blocks that are missing."""
    tell(0, 0, "trying the runtimes out")
    run.begin()
    available: Available = {
        PYTHON: (None, Probe(True, platform.python_version())),
        BARE: (None, Probe(True, platform.release())),
    }
    for label in (*RUNTIMES, "microvm"):
        runtime = driver(label)
        probe = runtime.probe()
        if probe.available:
            available[label] = (runtime, probe)
        _note(run, runtime, probe)
    if "labkit" not in available:
        raise LabkitError("labkit's own engine does not work here", "labkit doctor says why")
    if "microvm" in available:
        machine = available["microvm"][1]
        available[KERNEL] = (None, Probe(True, machine.version, flags=machine.flags, platform=machine.platform))
    observations = run.observations(EXPERIMENT)
    same_versions(observations, {label: pair for label, pair in available.items() if pair[0]})  # type: ignore[misc]
    there = {name: available[label] for name in TREATMENTS if (label := name.partition(".")[2]) in available}
    trials = missing(observations, there, rounds, seed)
    if trials:
        _run_trials(run, seed, trials, available)
    tell(len(trials), len(trials), "all is measured")


def missing(observations: pd.DataFrame, there: Available, wanted: int, seed: int) -> list[Trial]:
    """New blocks, as many as complete ones are lacking."""
    rows = observations.assign(runtime=observations["workload"] + "." + observations["runtime"])
    numbers = lacking(rows, wanted, lambda number: in_block(there, number))
    return [
        trial for number in numbers for trial in blocks(EXPERIMENT, "warm", in_block(there, number), [number], seed)
    ]


def prepare(folder: str) -> str:
    """Make the bundle below `folder`: what `runc spec` writes, with a system-call filter, limits and the payload."""
    os.chmod(folder, 0o755)
    payload.make(f"{folder}/rootfs")
    if os.geteuid() != 0:
        # Nobody could set its limits: the bundle of the study, which does without.
        return bundle.write(f"{folder}/bundle", bundle.spec(f"{folder}/rootfs", (payload.PATH,)))
    written = f"{folder}/written"
    os.mkdir(written)
    _spec(written)
    limited = bundle.spec(f"{folder}/rootfs", (payload.PATH,))
    made = load_bundle(written)
    made.root.path = f"{folder}/rootfs"
    made.process.args = (payload.PATH,)
    made.process.terminal = False
    made.linux.seccomp = limited.linux.seccomp
    for name in ("memory", "cpu", "pids"):
        setattr(made.linux.resources, name, getattr(limited.linux.resources, name))
    return bundle.write(f"{folder}/bundle", made)


def _spec(folder: str) -> None:
    """Let runc, or where it is missing labkit-oci, write its configuration into `folder`."""
    for runtime in (driver("runc"), driver("labkit-oci")):
        assert isinstance(runtime, OciRuntime)
        path = runtime.path()
        if (
            path
            and subprocess.run([path, "spec", "--bundle", folder], capture_output=True, check=False).returncode == 0
        ):
            return
    raise LabkitError("neither runc nor labkit-oci writes a configuration", "sudo apt-get install runc")


def _run_trials(run: Run, seed: int, trials: list[Trial], available: Available) -> None:
    with session(run, EXPERIMENT, seed, len(trials)) as scratch, ExitStack() as stack:
        place = prepare(scratch)
        log = stack.enter_context(tempfile.TemporaryFile())
        operations: dict[str, Operation] = {
            name: _operation(name, available, place, stack, log.fileno()) for name in {t.runtime for t in trials}
        }
        # The first `labkit-oci` of a verb also writes the code that later ones begin with.
        for done, (name, operation) in enumerate(operations.items()):
            tell(done, len(operations), "warming up")
            # An emulated machine has been booted when it was tried out, and takes many seconds.
            emulated = FLAG in available[name.partition(".")[2]][1].flags
            for _ in range(0 if emulated else _WARM_UPS):
                try:
                    operation(new_id(), log.fileno())
                except LabkitError:
                    break  # Its trials will fail too, and be recorded.
        for done, trial in enumerate(trials):
            tell(done, len(trials), trial.runtime.replace(".", " by "))
            run_trial(run, trial, operations[trial.runtime], available[trial.runtime.partition(".")[2]])


def _operation(name: str, available: Available, place: str, stack: ExitStack, log: int) -> Operation:
    """What carries the treatment out."""
    operation, _, label = name.partition(".")
    if label == PYTHON:
        return lambda id, log: lifecycle.bare_python(log)
    if operation in ("cgroups", "sampling"):
        resources = load_bundle(place).linux.resources
        work = cgroups.bare if label == BARE else cgroups.life if operation == "cgroups" else cgroups.sampling
        return lambda id, log: work(resources, id)
    if operation == "boot":
        machine = available["microvm"][0]
        assert isinstance(machine, Microvm)
        if label == KERNEL:
            return lambda id, log: boot.kernel_alone(machine, place, log)
        return partial(boot.container, machine, place)
    runtime = available[label][0]
    assert runtime is not None
    if operation == "run":
        return partial(startup.trial, runtime, place)
    if operation == "sixteen":
        return lambda id, log: lifecycle.many(
            runtime, place, [f"{id}-{number}" for number in range(_BATCH)], log, AT_A_TIME
        )
    if operation == "filter":
        return lambda id, log: [
            Measurement(*named, value) for named, value in zip(_METRICS["filter"], filter_seconds(), strict=True)
        ]
    if operation == "security":
        return partial(security.trial, security.prepare(os.path.dirname(place), place))
    assert isinstance(runtime, OciRuntime)
    if operation == "create-start-delete":
        return partial(lifecycle.create_start_delete, runtime, place)
    held = stack.enter_context(lifecycle.created(runtime, place, new_id(), log))
    return lambda id, log: lifecycle.state(runtime, held, log)


def run_trial(run: Run, trial: Trial, operation: Operation, subject: tuple[Runtime | None, Probe]) -> None:
    """Run one trial and record it, as failed with the reason when it fails."""
    work, _, label = trial.runtime.partition(".")
    found = attempt(partial(operation, new_id()))
    measured, status, reason, log = (
        (_nothing(work), "failed", found.reason, found.log) if isinstance(found, Lost) else (found, "ok", "", "")
    )
    rows = [_row(trial, work, label, subject, one, status, reason) for one in measured]
    run.add(trial.key, rows, log)


def _note(run: Run, runtime: Runtime, probe: Probe) -> None:
    """A runtime that is not there is named in the data, with its reason, and never just left out."""
    key = f"{EXPERIMENT}-unavailable-{runtime.name}"
    if probe.available:
        run.remove(key)
        return
    trial = Trial(EXPERIMENT, "", -1, -1, runtime.name)
    lacks = [operation for operation, labels in OPERATIONS.items() if runtime.name in labels]
    rows = [
        _row(trial, operation, runtime.name, (runtime, probe), one, "unavailable", probe.reason)
        for operation in lacks
        for one in _nothing(operation)
    ]
    run.add(key, rows)


def _nothing(operation: str) -> list[Measurement]:
    metrics = _METRICS[operation] if operation in _METRICS else ((cgroups.metric(), "s"),)
    return [Measurement(metric, unit, float("nan")) for metric, unit in metrics]


def _row(
    trial: Trial,
    operation: str,
    label: str,
    subject: tuple[Runtime | None, Probe],
    measured: Measurement,
    status: str,
    reason: str,
) -> dict[str, Any]:
    runtime, probe = subject
    parameters = runtime.parameters if runtime else {PYTHON: "-I -S -c 0"}.get(label, "")
    return row(trial, label, operation, parameters, probe, measured, status, reason)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

"""Which treatments can be measured on this host; of the others, the run says why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labkit.bench.design import Trial
from labkit.bench.row import row
from labkit.bench.store import Run
from labkit.bench.treatment import Treatment, treatment
from labkit.bench.worker import same_versions, tell
from labkit.errors import LabkitError
from labkit.runtimes import Probe
from labkit.runtimes.microvm import FLAG
from labkit.workloads.measurement import Measurement

Available = dict[str, tuple[Treatment, Probe]]


def available(run: Run, experiments: Sequence[str], labels: Sequence[str], emulated: bool = True) -> Available:
    """Try each treatment out for all of the experiments; without `emulated`, emulated machines are left out.

    Raises LabkitError when none works, or one is not the version that the run has.
    """
    there: Available = {}
    for label in labels:
        tell(0, 0, f"trying {label} out")
        one = treatment(label)
        probe = one.runtime.probe()
        if FLAG in probe.flags and not emulated:
            reason = "left out: KVM does not work here, and the speed of a machine that is emulated is the emulator's"
            probe = replace(probe, available=False, reason=reason)
        if probe.available:
            there[label] = (one, probe)
        for experiment in experiments:
            key = f"{experiment}-unavailable-{label}"
            if probe.available:
                run.remove(key)
            else:
                note(run, key, Trial(experiment, "", -1, -1, label), one, probe, "unavailable", probe.reason)
    if not there:
        raise LabkitError("none of the runtimes is available here", "labkit doctor says why, and what to type")
    versions = {label: (one.runtime, probe) for label, (one, probe) in there.items()}
    for experiment in experiments:
        same_versions(run.observations(experiment), versions)
    return there


def note(
    run: Run,
    key: str,
    trial: Trial,
    one: Treatment,
    probe: Probe,
    status: str,
    reason: str,
    workload: str = "",
    log: str = "",
) -> None:
    """Record a trial that has no value, and why."""
    nothing = Measurement("whole_life", "s", float("nan"))
    run.add(key, [row(trial, one.label, workload, one.parameters, probe, nothing, status, reason)], log)

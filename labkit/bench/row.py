"""One observation as a row of the store (labkit.bench.store has its columns)."""

from __future__ import annotations

import datetime
from typing import Any

from labkit.bench.design import Trial
from labkit.runtimes import Probe
from labkit.workloads.measurement import Measurement


def row(
    trial: Trial,
    runtime: str,
    workload: str,
    parameters: str,
    probe: Probe,
    measured: Measurement,
    status: str = "ok",
    reason: str = "",
) -> dict[str, Any]:
    """The row of what was `measured` of `runtime`; with another `status` than ok it has no value, and a reason."""
    return {
        "experiment": trial.experiment,
        "runtime": runtime,
        "version": probe.version,
        "parameters": parameters,
        "workload": workload,
        "condition": trial.condition,
        "block": trial.block,
        "position": trial.position,
        "metric": measured.metric,
        "unit": measured.unit,
        "value": measured.value,
        "status": status,
        "reason": reason,
        "flags": ",".join(probe.flags),
        "started": now(),
    }


def now() -> datetime.datetime:
    """The moment, in UTC."""
    return datetime.datetime.now(datetime.UTC)

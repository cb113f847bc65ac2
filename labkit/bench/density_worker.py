"""The process that keeps many containers alive: `python -m labkit.bench.density_worker FOLDER ORDER`."""

from __future__ import annotations

import sys
import tempfile

from labkit.bench.design import Trial
from labkit.bench.engine import DENSITY
from labkit.bench.engine_worker import prepare
from labkit.bench.row import row
from labkit.bench.store import Run
from labkit.bench.worker import main, new_id, session, tell
from labkit.errors import LabkitError
from labkit.runtimes import driver
from labkit.workloads import density, startup
from labkit.workloads.measurement import Measurement


def measure(run: Run, alive: int) -> None:
    """One series of `alive` starts; `block` is the number of a container, -1 for what is counted at the end."""
    run.begin()
    key = f"{DENSITY}-{alive:05d}"
    if key in run.measured():
        return
    runtime = driver("labkit")
    probe = runtime.probe()
    if not probe.available:
        raise LabkitError(f"labkit's own engine does not work here: {probe.reason}", probe.remedy)
    with session(run, DENSITY, 0, alive) as scratch, tempfile.TemporaryFile() as log:
        place = prepare(scratch)
        for _ in range(2):
            startup.trial(runtime, place, new_id(), log.fileno())
        ids = [new_id() for _ in range(alive)]
        starts, others = density.keep(place, ids, log.fileno(), lambda done: tell(done, alive, "containers alive"))
    measured = [(number, Measurement("start", "s", taken)) for number, taken in enumerate(starts)]
    measured += [(-1, one) for one in others]
    rows = [
        row(Trial(DENSITY, "warm", number, 0, runtime.name), runtime.name, startup.NAME, f"{alive} alive", probe, one)
        for number, one in measured
    ]
    run.add(key, rows)
    tell(alive, alive, "all is measured")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

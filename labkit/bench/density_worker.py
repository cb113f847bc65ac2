"""The process that keeps many containers alive: `python -m labkit.bench.density_worker FOLDER ORDER`."""

from __future__ import annotations

import sys
import tempfile
from functools import partial

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


def measure(run: Run, alive: int, series: int) -> None:
    """Series of `alive` starts, as many as are lacking.

    `position` is the number of the series, `block` that of a container in it, -1 for what is counted at the end.
    """
    run.begin()
    there = run.measured()
    keys = {number: f"{DENSITY}-{alive:05d}-{number}" for number in range(series)}
    todo = {number: key for number, key in keys.items() if key not in there}
    if not todo:
        return
    runtime = driver("labkit")
    probe = runtime.probe()
    if not probe.available:
        raise LabkitError(f"labkit's own engine does not work here: {probe.reason}", probe.remedy)
    with session(run, DENSITY, 0, alive * len(todo)) as scratch, tempfile.TemporaryFile() as log:
        place = prepare(scratch)
        for _ in range(2):
            startup.trial(runtime, place, new_id(), log.fileno())
        for turn, (number, key) in enumerate(todo.items()):
            told = partial(_tell, turn * alive, alive * len(todo))
            starts, others = density.keep(place, [new_id() for _ in range(alive)], log.fileno(), told)
            measured = [(count, Measurement("start", "s", taken)) for count, taken in enumerate(starts)]
            measured += [(-1, one) for one in others]
            rows = [
                row(
                    Trial(DENSITY, "warm", count, number, runtime.name),
                    *(runtime.name, startup.NAME, f"{alive} alive", probe, one),
                )
                for count, one in measured
            ]
            run.add(key, rows)
    tell(1, 1, "all is measured")


def _tell(before: int, total: int, alive: int) -> None:
    tell(before + alive, total, "containers alive")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], measure))

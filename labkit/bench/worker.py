"""The one process that measures: `python -m labkit.bench.…_worker FOLDER ORDER`, started by an experiment (see work).

Writes a JSON line [done, total, text] to stdout for each trial; an error that a user can mend is the last line on
stderr as JSON [message, hint], with exit status USER_ERROR.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pandas as pd

from labkit.bench import account, facts
from labkit.bench.row import now
from labkit.bench.store import Run
from labkit.bench.work import USER_ERROR
from labkit.errors import LabkitError
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare
from labkit.linux.rundir import rundir
from labkit.runtimes import Probe, Runtime


def main(argv: list[str], measure: Callable[..., None]) -> int:
    """Measure what is missing in the run `argv[0]` of the experiment; `argv[1]` has what `measure` wants, in JSON."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        order = json.loads(argv[1])
        with _alone():
            measure(Run(argv[0]), **order)
    except LabkitError as error:
        print(json.dumps([error.message, error.hint]), file=sys.stderr)
        return USER_ERROR
    except OSError as error:
        # A full disk, above all: what was measured before is there already.
        hint = "make room, then start again to go on; what was measured is kept"
        print(json.dumps([f"{error.filename or argv[0]}: {error.strerror}", hint]), file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        return 130
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    # Once: what follows is the removal of the sandbox, which a second signal must not cut short.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def tell(done: int, total: int, text: str) -> None:
    """One line of progress."""
    print(json.dumps([done, total, text]), flush=True)


def begin_as_root(run: Run, reason: str) -> None:
    """Begin, with nothing left of a measurement that was killed. LabkitError gives another user the `reason`."""
    if os.geteuid() != 0:
        raise LabkitError(reason, "sudo labkit reproduce")
    run.begin()
    account.remove_forgotten()


def own_mounts() -> None:
    """What is mounted for a trial is from now on in a mount namespace of this process alone."""
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)


@contextmanager
def _alone() -> Iterator[None]:
    """Hold this user's lock on measuring: two measurements at once would measure each other."""
    path = f"{rundir('measuring')}/lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(0, 0, "waiting for another measurement on this host")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def same_versions(observations: pd.DataFrame, available: dict[str, tuple[Runtime, Probe]]) -> None:
    """Raise LabkitError when a runtime is not what it was when the run began: one run compares one version of each."""
    measured = observations[observations["status"] != "unavailable"]
    for label, (_, probe) in available.items():
        others = set(measured.loc[measured["runtime"] == label, "version"]) - {probe.version}
        if others:
            raise LabkitError(
                f"{label} was {others.pop()} in this run and is {probe.version} now", "begin another: --fresh, or --run"
            )


@contextmanager
def session(run: Run, experiment: str, seed: int, trials: int) -> Iterator[str]:
    """Yield a folder for what the trials run, and record the session at its end, however it comes."""
    started, (stolen, ticks), load = now(), facts.steal_ticks(), os.getloadavg()
    # Collections of garbage would fall into some trials and not into others.
    gc.disable()
    with run.scratch() as scratch:
        try:
            yield scratch
        finally:
            later_stolen, later_ticks = facts.steal_ticks()
            run.add_session(
                {
                    "experiment": experiment,
                    "seed": seed,
                    "trials": trials,
                    "started": started.isoformat(timespec="seconds"),
                    "ended": now().isoformat(timespec="seconds"),
                    "load_before": list(load),
                    "load_after": list(os.getloadavg()),
                    "steal_percent": 100 * (later_stolen - stolen) / max(1, later_ticks - ticks),
                }
            )


def new_id() -> str:
    """An id for one sandbox."""
    return f"labkit-{os.urandom(5).hex()}"

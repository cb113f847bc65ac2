"""The engine's benchmark as the notebook, the command line and the site see it; `labkit bench` measures it alone."""

import os
from itertools import count
from pathlib import Path

import pandas as pd
from IPython.display import HTML

from labkit.bench import engine, store
from labkit.bench.engine import DENSITY, EXPERIMENT
from labkit.errors import LabkitError
from labkit.nb import displays, places
from labkit.nb.facts import session_facts
from labkit.nb.profiles import Profile
from labkit.nb.startup import Progress
from labkit.plots import style
from labkit.plots.targets import pair
from labkit.stats import RatioToBaseline


def new_folder() -> Path:
    """Where the next benchmark is kept: bench, bench-2, … below data/runs."""
    names = ("bench" if number == 1 else f"bench-{number}" for number in count(1))
    return next(places.runs() / name for name in names if not (places.runs() / name).exists())


def measure(folder: Path, profile: Profile, progress: Progress | None = None) -> list[str]:
    """Run the rounds that the run in `folder` lacks; returns notes on what this user cannot measure."""
    if os.geteuid() != 0:
        return ["The engine's benchmark is for root: its chapter shows the last one made."]
    engine.measure(store.Run(folder), profile.engine_rounds, profile.seed, progress)
    if profile.alive:
        engine.measure_density(store.Run(folder), progress, profile.alive)
    return []


def find(folder: Path) -> Path | None:
    """`folder` if that run holds the benchmark, else the run below data/runs that holds the last one; None without."""
    if store.Run(folder).holds(EXPERIMENT):
        return folder
    held: dict[Path, str] = {}
    for other in places.runs().glob("*"):
        if other.is_dir() and store.Run(other).holds(EXPERIMENT):
            try:
                held[other] = str(store.Run(other).facts().get("started", ""))
            except LabkitError:
                continue  # A damaged run, which says so when it is asked for by name.
    return max(held, key=lambda one: held[one], default=None)


def read(folder: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    """The benchmark's observations, and the facts of the host that they were made on."""
    run = store.Run(folder)
    sessions = [session for session in run.sessions() if session["experiment"] == EXPERIMENT]
    return run.observations(EXPERIMENT), run.facts() | session_facts(sessions)


def alive(folder: Path | None) -> pd.DataFrame | None:
    """The observations of many containers alive at once; None where that was not measured."""
    if folder is None or not store.Run(folder).holds(DENSITY):
        return None
    return store.Run(folder).observations(DENSITY)


def nothing() -> tuple[pd.DataFrame, dict[str, object]]:
    """What `read` gives where nothing was measured."""
    return store.COLUMNS.empty_table().to_pandas(), {"benchmark": "not measured yet"}


def ratios(observations: pd.DataFrame) -> pd.DataFrame:
    """The ratios to crun and runc, below each other."""
    return pd.concat([RatioToBaseline(baseline)(observations) for baseline in ("crun", "runc")], ignore_index=True)


def in_words(observations: pd.DataFrame, folder: Path | None) -> str:
    """How much was measured, in which run."""
    if folder is None:
        return "The benchmark was not measured yet: `labkit bench`, as root, measures."
    good = observations[observations["status"] == "ok"]
    rounds = good["block"].nunique()
    trials = len(good[["block", "workload", "runtime"]].drop_duplicates())
    return f"Run {folder.name}: {rounds} rounds, {trials} trials."


def target_table(found: pd.DataFrame) -> HTML:
    """What Targets gives, a line per target."""
    lines = [
        {
            "what": row["what"],
            "ratio of": pair(row),
            "wanted": f"{'≥' if row['at_least'] else '≤'} {row['bound']:g}",
            "measured": style.number(row["ratio"]) if row["n"] else "",
            "95 % interval": displays.interval(row["low"], row["high"]),
            "rounds": row["n"],
            "verdict": row["verdict"],
        }
        for row in found.to_dict("records")
    ]
    return displays.table(pd.DataFrame(lines))

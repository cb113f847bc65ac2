"""The start-up experiment as the notebook, the command line and the site see it: measure what is missing, then read."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from labkit.bench import startup, store
from labkit.errors import LabkitError
from labkit.nb.bar import Bar
from labkit.nb.facts import session_facts
from labkit.nb.profiles import Profile
from labkit.plots import style
from labkit.runtimes.flags import MEANINGS
from labkit.stats import RatioToBaseline, Stability

BASELINES = ("runc", "host")
METRICS = ("first_instruction", "whole_life")

# Told (trials done, trials in all, what is being measured).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Observed:
    """The observations of a run, the facts of its host, and in `notes` what was not measured and why."""

    observations: pd.DataFrame
    facts: dict[str, object]
    notes: tuple[str, ...] = ()

    def in_words(self) -> str:
        """How much was observed, of what, and what was not."""
        good = self.observations[self.observations["status"] == "ok"]
        trials = len(good[["runtime", "condition", "block"]].drop_duplicates())
        blocks = good.groupby("condition")["block"].nunique()
        counts = style.list_in_words(f"{blocks[name]} {name} blocks" for name in style.CONDITIONS if name in blocks)
        text = (
            f"{trials} trials of {good['runtime'].nunique()} runtimes, in {counts}."
            if trials
            else "No trial went well."
        )
        return " ".join([text, *self.notes])


def measure(
    folder: Path, profile: Profile, runtimes: Sequence[str] | None = None, progress: Progress | None = None
) -> list[str]:
    """Run the trials that the run in `folder` lacks; returns notes on what cannot be measured by this user.

    Raises LabkitError when nothing can be.
    """
    notes = []
    cold = profile.cold_blocks
    if os.geteuid() != 0 and cold:
        cold = 0
        notes.append("Cold starts were not measured: only root may drop the kernel's caches.")
    startup.measure(store.Run(folder), runtimes, profile.warm_blocks, cold, profile.seed, progress)
    return notes


def read(folder: Path, notes: Sequence[str] = ()) -> Observed:
    """What the run in `folder` holds; LabkitError when there is no such run, or nothing in it."""
    if not (folder / "run.json").is_file():
        raise LabkitError(f"there is no run in {folder}", "labkit reproduce makes one")
    run = store.Run(folder)
    observations = run.observations(startup.EXPERIMENT)
    if observations.empty:
        raise LabkitError(f"run {folder.name} holds no observation of start-up", "labkit reproduce measures, as root")
    return Observed(observations, run.facts() | session_facts(run.sessions()), tuple(notes))


def observe(folder: Path, profile: Profile, wanted: bool = True, runtimes: Sequence[str] | None = None) -> Observed:
    """Measure what is missing if `wanted`, with a bar in the notebook meanwhile, and read."""
    notes: list[str] = []
    if wanted:
        with Bar() as bar:
            notes += measure(folder, profile, runtimes, bar)
    return read(folder, notes)


def ratios(observations: pd.DataFrame) -> pd.DataFrame:
    """The ratios to every baseline that was measured, below each other."""
    return pd.concat([RatioToBaseline(baseline)(observations) for baseline in BASELINES], ignore_index=True)


def control_in_words(control: pd.DataFrame) -> str:
    """What AAControl found, one sentence for each condition and metric."""
    if control.empty:
        return "The control was not measured."
    sentences = []
    for row in control.to_dict("records"):
        what = f"{style.METRIC_WORDS.get(row['metric'], row['metric'])}, {row['condition']}"
        span = f"{style.number(row['low'])} to {style.number(row['high'])}"
        if row["n"] < Stability().fewest:
            sentences.append(f"{what}: {row['n']} blocks are too few for an interval.")
        elif row["passed"]:
            sentences.append(f"{what}: the interval {span} contains 1, as it must.")
        else:
            sentences.append(f"{what}: the interval {span} does not contain 1, so distrust differences of that size.")
    return "\n".join(f"- {sentence}" for sentence in sentences)


def flags_in_words(observations: pd.DataFrame) -> str:
    """For each runtime, how its sandboxes are not quite what the bundle asks for; a list."""
    flags = observations[["runtime", "flags"]].drop_duplicates()
    lines = [
        f"- {row['runtime']}: {MEANINGS.get(flag, flag)}."
        for row in flags.to_dict("records")
        for flag in str(row["flags"]).split(",")
        if flag
    ]
    return "\n".join(sorted(set(lines))) or "All had exactly what the bundle asks for."


def cold_in_words(cold: pd.DataFrame, metric: str) -> str:
    """The runtimes that a cold start costs most and least."""
    rows = cold[cold["metric"] == metric].sort_values("ratio")
    if rows.empty:
        return "Nothing was measured both cold and warm."
    least, most = (
        f"{row['runtime']} ({style.number(row['ratio'])} times its warm start, {style.milliseconds(row['cold'])})"
        for row in (rows.iloc[0], rows.iloc[-1])
    )
    return f"A cold start costs {most} most and {least} least, as a ratio to its own warm start."


def stability_in_words(stability: pd.DataFrame) -> str:
    """How many series are unstable."""
    unstable = int((stability["warning"] != "").sum())
    return f"{unstable} of {len(stability)} series carry a warning." if unstable else "No series carries a warning."

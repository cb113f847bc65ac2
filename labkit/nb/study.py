"""The study as its notebooks, the command line and the site see it: measure what is missing, then read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from labkit.bench import store, study
from labkit.errors import LabkitError
from labkit.nb.bar import Bar
from labkit.nb.profiles import Profile
from labkit.nb.startup import Progress
from labkit.plots import style
from labkit.stats import Cost
from labkit.stats.cost import operations
from labkit.stats.missing import missing_pairs
from labkit.workloads.all import WORKLOADS

# What kinds of load there are, by the groups of the workloads, as a sentence names them.
LOADS = {
    "syscalls": "many system calls",
    "cpu": "computing",
    "memory": "memory",
    "files": "files",
    "network": "a network",
    "applications": "applications",
}


@dataclass(frozen=True, slots=True)
class Studied:
    """The observations of the study in a run, its host's facts, its sessions, and what could not be measured."""

    observations: pd.DataFrame
    facts: dict[str, Any]
    sessions: list[dict[str, Any]]
    notes: tuple[str, ...] = ()

    def of(self, *groups: str) -> "Studied":
        """What was measured of the workloads of these groups, and of runtimes that were not available."""
        names = ["", *names_of(groups)]
        rows = self.observations[self.observations["condition"].isin(names)].reset_index(drop=True)
        return Studied(rows, self.facts, self.sessions, self.notes)

    def costs(self) -> pd.DataFrame:
        """What Cost gives of the workloads' main metrics."""
        return Cost()(self.observations)

    def operations(self) -> pd.DataFrame:
        """What Cost gives of the operations that workloads time one by one."""
        return Cost(quantities=operations(self.observations))(self.observations)

    def all_costs(self) -> pd.DataFrame:
        """Those of the workloads, and of the operations below them."""
        frames = [frame for frame in (self.costs(), self.operations()) if len(frame)]
        return pd.concat(frames, ignore_index=True) if frames else self.costs()

    def missing(self) -> pd.DataFrame:
        """What missing_pairs gives."""
        return missing_pairs(self.observations)

    def in_words(self) -> str:
        """How much was measured, and what failed."""
        rows = self.observations[self.observations["block"] >= 0]
        trials = rows.drop_duplicates(["condition", "block", "runtime"])
        if trials.empty:
            return " ".join(["Nothing of this was measured in this run.", *self.notes])
        blocks = trials.groupby("condition")["block"].nunique()
        few, many = int(blocks.min()), int(blocks.max())
        span = str(few) if few == many else f"{few} to {many}"
        failed = int((trials["status"] == "failed").sum())
        text = (
            f"{len(trials)} trials of {_count(len(blocks), 'workload')} in {trials['runtime'].nunique()} runtimes, "
            f"{span} blocks each; {failed or 'none'} failed."
        )
        return " ".join([text, *self.notes])


def names_of(groups: Sequence[str]) -> list[str]:
    """The names of the workloads of these groups."""
    return [one.name for one in WORKLOADS if one.group in groups]


def measure(
    folder: Path,
    profile: Profile,
    groups: Sequence[str] = (),
    runtimes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Run the blocks that the run in `folder` lacks; returns notes on what this user cannot measure.

    `groups` of workloads, all by default; `runtimes` are labels, by default all of the study. Raises LabkitError when
    nothing can be measured.
    """
    if profile.core_blocks + profile.other_blocks == 0:
        return [f"The profile {profile.name} measures nothing of the study."]
    if os.geteuid() != 0:
        return ["The study was not measured: it asks for root, for cgroups, cables and namespaces."]
    names = names_of(groups)
    if groups and not names:
        return []
    declared = study.Study(
        labels=runtimes or study.LABELS,
        workloads=names,
        core_blocks=profile.core_blocks,
        other_blocks=profile.other_blocks,
        most_blocks=profile.most_blocks,
        target=profile.target,
        scale=profile.scale,
        budget=profile.budget,
        emulated=False,
        seed=profile.seed,
    )
    study.measure(store.Run(folder), declared, progress)
    return []


def read(folder: Path, notes: Sequence[str] = ()) -> Studied:
    """What the run in `folder` holds of the study, which may be nothing."""
    run = store.Run(folder)
    if not (folder / "run.json").is_file():
        return Studied(run.observations(study.EXPERIMENT), {}, [], tuple(notes))
    sessions = [session for session in run.sessions() if session["experiment"] == study.EXPERIMENT]
    return Studied(run.observations(study.EXPERIMENT), run.facts(), sessions, tuple(notes))


def observe(
    folder: Path,
    profile: Profile,
    groups: Sequence[str] = (),
    runtimes: Sequence[str] | None = None,
    wanted: bool = True,
) -> Studied:
    """Measure what is missing if `wanted`, with a bar in the notebook meanwhile, and read what `groups` have."""
    notes: list[str] = []
    if wanted:
        with Bar() as bar:
            notes += measure(folder, profile, groups, runtimes, bar)
    studied = read(folder, notes)
    return studied.of(*groups) if groups else studied


def workloads_in_words(*groups: str) -> str:
    """A list of the workloads of these groups and what each is."""
    lines = [
        f"- `{one.name}`: {one.about}; {_metric(one.main)}, of which {'more' if one.higher else 'less'} is better"
        for one in WORKLOADS
        if one.group in groups
    ]
    return "\n".join(lines) or "There is no workload of this kind."


def not_measured_in_words(missing: pd.DataFrame) -> str:
    """A list of what has no figure, with the reason."""
    if missing.empty:
        return "Every workload has a figure in every runtime."
    lines = []
    for (runtime, reason), rows in missing.groupby(["runtime", "reason"], sort=True):
        names = [str(name) for name in rows["workload"] if name]
        what = f"{_count(len(names), 'workload')} ({style.list_in_words(names)})" if names else "not available"
        lines.append(f"- {runtime}: {what}: {str(reason).rstrip('.')}.")
    return "\n".join(lines)


def only(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of LevelOfUse of one metric, as the figures of costs take them; LabkitError without any."""
    mine = rows[rows["metric"] == metric]
    if mine.empty:
        raise LabkitError(f"{_metric(metric)} was not measured", "labkit reproduce measures, as root")
    groups = {one.name: one.group for one in WORKLOADS}
    kept = mine[["workload", "runtime", "n", "ratio"]].assign(
        low=mine["ratio_low"], high=mine["ratio_high"], baseline="runc", warning=""
    )
    kept = kept[kept["workload"].isin(groups)]
    kept.insert(0, "group", kept["workload"].map(groups))
    places = {name: place for place, name in enumerate(groups)}
    return kept.sort_values("workload", key=lambda names: names.map(places), kind="stable", ignore_index=True)


def _metric(name: str) -> str:
    return style.METRIC_WORDS.get(name, name.replace("_", " ")) if name != "throughput" else "throughput"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"

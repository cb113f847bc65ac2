"""The isolation experiment as the notebook, the command line and the site see it."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from labkit.bench import isolation, store, study
from labkit.bench.isolation import CALLS, CLOSED, FUNCTIONS, OPEN, STOPPED, STOPS
from labkit.nb.bar import Bar
from labkit.nb.profiles import Profile
from labkit.nb.startup import Progress
from labkit.plots import style
from labkit.stats import Cost, ParetoFront, RatioToBaseline
from labkit.workloads.all import WORKLOADS
from labkit.workloads.attempts import ATTEMPTS

_NAMES = {one.name for one in WORKLOADS}


def measure(
    folder: Path, profile: Profile, runtimes: Sequence[str] | None = None, progress: Progress | None = None
) -> list[str]:
    """Run what the run in `folder` lacks; returns notes on what this user cannot measure."""
    if os.geteuid() != 0:
        return ["Isolation is measured as root: its chapter shows what is stored."]
    declared = isolation.Isolation(
        labels=runtimes or profile.isolation_labels or isolation.LABELS,
        workloads=[name for name in profile.isolation_workloads if name in _NAMES],
        blocks=profile.isolation_blocks,
        scale=profile.isolation_scale,
        budget=profile.isolation_budget,
        emulated=profile.emulated,
        seed=profile.seed,
    )
    isolation.measure(store.Run(folder), declared, progress)
    return []


def observe(folder: Path, profile: Profile, wanted: bool = True, runtimes: Sequence[str] | None = None) -> pd.DataFrame:
    """Measure what is missing if `wanted` and this user may, with a bar in the notebook meanwhile, and read."""
    if wanted:
        with Bar() as bar:
            measure(folder, profile, runtimes, bar)
    return read(folder)


def read(folder: Path) -> pd.DataFrame:
    """The observations of isolation that the run holds; empty where it was not measured."""
    return store.Run(folder).observations(isolation.EXPERIMENT)


def in_words(observations: pd.DataFrame) -> str:
    """How much was measured, or how to measure it."""
    good = observations[observations["status"] == "ok"]
    if good.empty:
        return "Isolation was not measured in this run: `sudo labkit reproduce` measures it."
    traced = sorted(set(good.loc[good["metric"] == CALLS, "condition"]))
    text = f"{good['runtime'].nunique()} runtimes were looked at."
    if traced:
        blocks = good[good["metric"] == CALLS].groupby("condition")["block"].nunique()
        each = style.list_in_words(f"{name} (blocks: {blocks[name]})" for name in traced)
        text += f" Traced were {each}."
    if not (good["metric"] == FUNCTIONS).any():
        text += " The kernel's functions could not be traced: the table below has the reason."
    return text


def open_table(observations: pd.DataFrame) -> pd.DataFrame:
    """By runtime, how many of the probe's questions find the sandbox open, in all and by area; most closed first."""
    rows = observations[(observations["condition"] == isolation.PROBE) & (observations["status"] == "ok")]
    totals = rows[rows["metric"].isin([OPEN, CLOSED])].pivot_table(index="runtime", columns="metric", values="value")
    areas = rows[rows["metric"].str.startswith(f"{OPEN} ")]
    wide = areas.assign(area=areas["metric"].str.removeprefix(f"{OPEN} ")).pivot_table(
        index="runtime", columns="area", values="value", sort=False
    )
    if totals.empty:
        return pd.DataFrame(columns=["runtime"])
    wide.insert(0, "open", totals[OPEN])
    wide.insert(1, "of", totals[OPEN] + totals[CLOSED])
    wide = wide.sort_values("open").astype(int)
    wide.columns.name = None
    return wide.reset_index()


def open_in_words(observations: pd.DataFrame) -> str:
    """Who is most open and who least."""
    table = open_table(observations)
    if table.empty:
        return "The probe did not look at any runtime in this run."
    least, most = table.iloc[0], table.iloc[-1]
    return (
        f"Of {least['of']} things that the probe tries, {least['open']} are open in {least['runtime']}, the fewest, "
        f"and {most['open']} in {most['runtime']}, the most."
    )


def attempts_table(observations: pd.DataFrame) -> pd.DataFrame:
    """A row for each attempt, a column for each runtime: `stopped`, or `goes through`; in the order of the suite."""
    rows = observations[observations["metric"].str.startswith(STOPS) & (observations["status"] == "ok")]
    if rows.empty:
        return pd.DataFrame(columns=["attempt"])
    wide = rows.assign(attempt=rows["metric"].str.removeprefix(STOPS)).pivot_table(
        index="attempt", columns="runtime", values="value", aggfunc="min"
    )
    runtimes = [label for label in isolation.LABELS if label in wide]
    found = []
    for attempt in ATTEMPTS:
        if attempt.name in wide.index:
            words = {
                label: "stopped" if wide[label][attempt.name] == 1 else "goes through"
                for label in runtimes
                if wide[label][attempt.name] == wide[label][attempt.name]
            }
            found.append({"attempt": attempt.about} | words)
    return pd.DataFrame(found)


def attempts_in_words(observations: pd.DataFrame) -> str:
    """Who stops all, and how many the others stop."""
    rows = observations[(observations["metric"] == STOPPED) & (observations["status"] == "ok")]
    if rows.empty:
        return "No runtime was put to the attempts in this run."
    stopped = rows.groupby("runtime")["value"].min()
    there = len(ATTEMPTS)
    everything = sorted(stopped[stopped == there].index)
    stop = "stops" if len(everything) == 1 else "stop"
    texts = [f"{style.list_in_words(everything)} {stop} all {there} attempts."] if everything else []
    texts += [f"{name} stops {number:.0f} of {there}." for name, number in stopped[stopped < there].items()]
    return " ".join(texts)


def cost(observations: pd.DataFrame) -> pd.DataFrame:
    """The cost of each workload in each runtime as a ratio to host: workload, runtime, value, low, high."""
    costs = Cost(("host",))(observations).rename(columns={"ratio": "value"})
    return costs[["workload", "runtime", "value", "low", "high"]]


def reach(observations: pd.DataFrame, metric: str = CALLS) -> pd.DataFrame:
    """The median of a count in each runtime, with the least and the most: workload, runtime, value, low, high."""
    rows = observations[(observations["metric"] == metric) & (observations["status"] == "ok")]
    grouped = rows.groupby(["workload", "runtime"], sort=False)["value"]
    return grouped.agg(value="median", low="min", high="max").reset_index()


def points(folder: Path, observations: pd.DataFrame, metric: str = CALLS) -> pd.DataFrame:
    """Performance and isolation of each runtime under each workload that the run has both of.

    The performance is that of the study, and of the payload that of the start-up experiment.
    """
    run = store.Run(folder)
    costs = [cost(run.observations(study.EXPERIMENT))]
    started = run.observations("startup")
    warm = started[(started["condition"] == "warm") & (started["metric"] == "whole_life")]
    ratios = RatioToBaseline("host")(warm).rename(columns={"ratio": "value"})
    costs.append(ratios.assign(workload=isolation.PAYLOAD)[["workload", "runtime", "value", "low", "high"]])
    whole = pd.concat(costs, ignore_index=True)
    counted = reach(observations, metric)
    if metric == OPEN:
        # What the probe finds open is so whatever else runs.
        counted = counted.drop(columns="workload").merge(
            pd.DataFrame({"workload": whole["workload"].unique()}), "cross"
        )
    return ParetoFront()(whole, counted)

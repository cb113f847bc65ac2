"""The ablation as the notebook, the command line and the site see it."""

import os
from pathlib import Path

import pandas as pd

from labkit.bench import ablation, store
from labkit.bench.ablation import ALONE, AND, MECHANISMS, PARTS, START, WITHOUT
from labkit.nb.bar import Bar
from labkit.nb.profiles import Profile
from labkit.nb.startup import Progress
from labkit.plots import style
from labkit.plots.waterfall import amount
from labkit.stats import AAControl, Contribution
from labkit.stats.contribution import REST, WHOLE, as_times
from labkit.workloads.all import WORKLOADS

METRICS = {START: "whole_life"} | {one.name: one.main for one in WORKLOADS}


def measure(folder: Path, profile: Profile, progress: Progress | None = None) -> list[str]:
    """Run what the run in `folder` lacks; returns notes on what this user cannot measure."""
    if os.geteuid() != 0:
        return ["The ablation is measured as root: its chapter shows what is stored."]
    known = {one.name for one in WORKLOADS}
    declared = ablation.Ablation(
        blocks=profile.ablation_blocks,
        workload_blocks=profile.ablation_workload_blocks,
        workloads=[name for name in profile.ablation_workloads if name in known],
        scale=profile.ablation_scale,
        budget=profile.ablation_budget,
        seed=profile.seed,
    )
    ablation.measure(store.Run(folder), declared, progress)
    return []


def observe(folder: Path, profile: Profile, wanted: bool = True) -> pd.DataFrame:
    """Measure what is missing if `wanted` and this user may, with a bar in the notebook meanwhile, and read."""
    if wanted:
        with Bar() as bar:
            measure(folder, profile, bar)
    return read(folder)


def read(folder: Path) -> pd.DataFrame:
    """The observations of the ablation that the run holds, rates as times; empty where it was not measured."""
    return as_times(store.Run(folder).observations(ablation.EXPERIMENT))


def joined(observations: pd.DataFrame) -> pd.DataFrame:
    """The observations with the copies of an end under one name: within a block their median stands for it."""
    return observations.assign(runtime=observations["runtime"].map(ablation.without_copy))


def control_in_words(observations: pd.DataFrame) -> str:
    """For each condition whether two copies of the full container, in the same blocks, can be told apart."""
    main = observations[observations["metric"] == observations["condition"].map(METRICS)]
    control = AAControl(f"{ablation.FULL} 1", f"{ablation.FULL} 2")(main)
    texts = []
    for row in control.to_dict("records"):
        if row["low"] != row["low"]:
            texts.append(f"{row['condition']}: {row['n']} blocks are too few for an interval.")
        else:
            verdict = "contains 1, as it must" if row["passed"] else "does not contain 1: distrust what is as small"
            texts.append(f"{row['condition']}: {style.number(row['low'])} to {style.number(row['high'])} {verdict}.")
    return " ".join(texts) or "The control was not measured."


def in_words(observations: pd.DataFrame) -> str:
    """How much was measured, or how to measure it."""
    good = observations[observations["status"] == "ok"]
    if good.empty:
        return "The ablation was not measured in this run: `sudo labkit reproduce` measures it."
    counted = good.groupby("condition")["block"].nunique()
    treatments = good.groupby("condition")["runtime"].nunique()
    each = style.list_in_words(
        f"{name}: {counted[name]} blocks of {treatments[name]} treatments"
        for name in sorted(counted.index, key=list(METRICS).index)
    )
    return f"{each}."


def contributions(observations: pd.DataFrame) -> pd.DataFrame:
    """What each mechanism of the study's bundle contributes."""
    return Contribution(
        {name: f"{WITHOUT}{name}" for name in PARTS},
        {name: f"{ALONE}{name}" for name in PARTS if not MECHANISMS[name].needs},
    )(joined(observations))


def more(observations: pd.DataFrame) -> pd.DataFrame:
    """What a mechanism costs that is no part of the bundle: added to the full one, and to the bare one."""
    names = [name for name, mechanism in MECHANISMS.items() if mechanism.lacks]
    found = []
    for base, prefix in ((ablation.FULL, AND), (ablation.BARE, ALONE)):
        labels = {name: f"{prefix}{name}" for name in names}
        # The contribution of what is added to a treatment is that of a side whose bare one is that treatment.
        rows = Contribution({}, labels, full=base, bare=base)(joined(observations))
        found.append(rows[~rows["part"].isin([REST, WHOLE])].assign(side=f"added to the {base} one"))
    return pd.concat(found, ignore_index=True)


def more_in_words(added: pd.DataFrame, condition: str) -> str:
    """What each of them adds."""
    rows = added[(added["condition"] == condition) & (added["metric"] == METRICS[condition])]
    if rows.empty:
        return f"{condition}: neither was measured."
    each = "; ".join(
        f"{'an' if row['part'][0] in 'aeio' else 'a'} {row['part']}, {row['side']}, "
        + amount(row["value"])
        + (f" ({amount(row['low'])} to {amount(row['high'])})" if row["low"] == row["low"] else "")
        for row in rows.to_dict("records")
    )
    return f"{condition}, {'time of the whole life' if condition == START else 'time of one operation'}: {each}."


def measured(contributed: pd.DataFrame) -> list[str]:
    """The conditions that can be drawn, the start-up first."""
    there = set(contributed["condition"])
    return [name for name in METRICS if name in there]

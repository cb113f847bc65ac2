"""How sandboxes live, as the notebooks and the command line see it: measure what is missing, then read."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from labkit.bench import lives, store
from labkit.nb.bar import Bar
from labkit.nb.profiles import Profile
from labkit.nb.startup import Progress
from labkit.plots import style
from labkit.stats.median import Median

PHASES = {"create": "create", "start": "start, to the first instruction", "end": "the program's end, told",
          "delete": "delete"}  # fmt: skip
# Three looks at the same memory; Okabe and Ito.
LOOKS = {
    "of all its processes (PSS)": ("#0072B2", "o"),
    "charged to its cgroups": ("#E69F00", "s"),
    "less MemAvailable": ("#767676", "^"),
}
_METRICS = dict(zip(("pss", "cgroup_memory", "available_less"), LOOKS, strict=True))


def observe(folder: Path, profile: Profile, wanted: bool = True, runtimes: Sequence[str] | None = None) -> list[str]:
    """Measure what is missing if `wanted`, with a bar in the notebook meanwhile; returns what `measure` does."""
    if not wanted:
        return []
    with Bar() as bar:
        return measure(folder, profile, runtimes, bar)


def measure(
    folder: Path, profile: Profile, runtimes: Sequence[str] | None = None, progress: Progress | None = None
) -> list[str]:
    """Run the trials that the run in `folder` lacks; returns notes on what this user cannot measure."""
    if not profile.lives_blocks:
        return []
    if os.geteuid() != 0:
        return ["The phases, crowds and idle sandboxes were not measured: only root may make their cgroups."]
    lives.measure(
        store.Run(folder),
        profile.lives_blocks,
        profile.crowds,
        profile.idle,
        runtimes or lives.LABELS,
        emulated=profile.emulated,
        seed=profile.seed,
        progress=progress,
    )
    return []


def read(folder: Path, part: str) -> pd.DataFrame:
    """The observations of one part (lives.PHASES, CROWD or IDLE); without rows where it was not measured."""
    return store.Run(folder).observations(part)


def phases(observations: pd.DataFrame) -> pd.DataFrame:
    """phase, runtime, value, low and high in ms."""
    good = observations[(observations["status"] == "ok") & observations["metric"].isin(PHASES)]
    rows = []
    for metric, name in PHASES.items():
        found = Median("runtime", "value")(good[good["metric"] == metric])
        rows.append(found.assign(phase=name, value=1000 * found["median"], low=1000 * found["low"],
                                 high=1000 * found["high"]))  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def phases_in_words(found: pd.DataFrame) -> str:
    """For each runtime, the phase that takes longest."""
    if found.empty:
        return "The phases of a life were not measured in this run."
    told = []
    for runtime, group in found.groupby("runtime", sort=False):
        if not str(runtime).endswith("-again"):
            longest = group.sort_values("value").to_dict("records")[-1]
            told.append(
                f"{runtime} in {str(longest['phase']).partition(',')[0]} ({style.number(longest['value'])} of "
                f"{style.number(float(group['value'].sum()))} ms)"
            )
    return f"Most of the time goes by: {style.list_in_words(told)}."


def rates(observations: pd.DataFrame) -> pd.DataFrame:
    """runtime, count, median, low and high in lives per second."""
    good = observations[(observations["status"] == "ok") & (observations["metric"] == "throughput")]
    rows = [
        Median("runtime", "value")(group).assign(count=int(str(condition).split()[0]))
        for condition, group in good.groupby("condition")
    ]
    return (
        pd.concat(rows, ignore_index=True)
        if rows
        else pd.DataFrame(columns=["runtime", "median", "low", "high", "n", "count"])
    )


def idle_table(each: pd.DataFrame) -> pd.DataFrame:
    """runtime, look, value, low and high in MiB, of what PerSandbox gives; the least by PSS first."""
    shown = each[each["metric"].isin(_METRICS)]
    order = list(shown[shown["metric"] == "pss"].sort_values("each")["runtime"])
    scaled = shown.assign(look=shown["metric"].map(_METRICS), value=shown["each"] / 2**20, low=shown["low"] / 2**20,
                          high=shown["high"] / 2**20)  # fmt: skip
    return scaled.sort_values(
        "runtime", key=lambda names: names.map({name: place for place, name in enumerate(order)}), kind="stable"
    )


def idle_in_words(each: pd.DataFrame) -> str:
    """What one more sandbox takes where it takes least and most, and how far the three looks are apart there."""
    own = each[~each["runtime"].str.endswith("-again")]
    found: dict[str, dict[str, float]] = {
        str(metric): {str(row["runtime"]): float(row["each"]) for row in group.to_dict("records")}
        for metric, group in own.groupby("metric")
    }
    if "pss" not in found:
        return "What idle sandboxes take was not measured in this run."
    pss = found["pss"]
    least, most = min(pss, key=lambda name: pss[name]), max(pss, key=lambda name: pss[name])
    text = (
        f"One more idle sandbox takes {_mib(pss[least])} in {least} and {_mib(pss[most])} in {most}, "
        "by the pages of all its processes"
    )
    others = [
        f"{_mib(found[metric][most])} {words}"
        for metric, words in (("cgroup_memory", "are charged to its cgroups"),
                              ("available_less", "are missing from MemAvailable"))
        if found.get(metric, {}).get(most, 0.0) > 0
    ]  # fmt: skip
    return f"{text}; of {most}, {style.list_in_words(others)}." if others else f"{text}."


def _mib(value: float) -> str:
    return f"{style.number(value / 2**20)} MiB"

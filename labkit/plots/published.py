"""Ratios of this run beside those that others have published, each by its source."""

from collections.abc import Hashable
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style

BASELINE = "runc"


def startup_ratios(figures: pd.DataFrame) -> pd.DataFrame:
    """The published start-up times relative to runc, from data/published/figures.csv, lowest ratio first."""
    rows = figures[(figures["group"] == "startup") & (figures["metric"] == "time") & (figures["baseline"] == BASELINE)]
    return rows.sort_values(["ratio", "id"]).reset_index(drop=True)


def published(figures: pd.DataFrame, ratios: pd.DataFrame, metric: str) -> Figure:
    """A dot per published figure and one per runtime of this run (warm), on one logarithmic axis of ratios to runc.

    `figures`: the rows of data/published/figures.csv; `ratios`: what RatioToBaseline("runc") gives.
    """
    others = startup_ratios(figures)
    own = ratios[
        (ratios["metric"] == metric) & (ratios["baseline"] == BASELINE) & (ratios["condition"] == "warm")
        & ~ratios["runtime"].isin([BASELINE, f"{BASELINE}-again"])
    ].sort_values("ratio")  # fmt: skip
    if own.empty and others.empty:
        raise LabkitError("there is no ratio to runc to be drawn", "labkit reproduce measures, as root")
    labels = [*own["runtime"], *(_label(row) for row in others.to_dict("records"))]
    with style.styled():
        figure, (axes,) = style.new_figure(8.0, 1.2 + 0.27 * len(labels))
        bars = [
            (own["ratio"] - own["low"]).clip(lower=0).fillna(0),
            (own["high"] - own["ratio"]).clip(lower=0).fillna(0),
        ]
        axes.errorbar(own["ratio"], range(len(own)), xerr=bars, fmt="o", color=style.WARM, capsize=3,
                      label="this run, warm, 95 % interval")  # fmt: skip
        axes.plot(others["ratio"], range(len(own), len(labels)), "s", color=style.COLD, markerfacecolor="white",
                  label="published")  # fmt: skip
        axes.axhline(len(own) - 0.5, color=style.GREY, linewidth=0.8)
        axes.axvline(1, color=style.BASELINE, linewidth=1.2, zorder=1)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        style.log_ratio_axis(axes)
        axes.set_xlabel("start-up time ÷ runc (log scale)")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _label(row: dict[Hashable, Any]) -> str:
    platform = "" if pd.isna(row["platform"]) else f" ({row['platform']})"
    return f"{row['runtime']}{platform}, {row['workload']} [{row['source']}]"


def sentence(figures: pd.DataFrame, ratios: pd.DataFrame, metric: str) -> str:
    """The published range for each runtime that was measured here too, beside this run's figure."""
    others = startup_ratios(figures)
    own = ratios[(ratios["metric"] == metric) & (ratios["baseline"] == BASELINE) & (ratios["condition"] == "warm")]
    parts = []
    for name, prefix in (("crun", "crun"), ("gvisor", "runsc")):
        theirs = others[others["runtime"] == name]["ratio"]
        ours = own[own["runtime"].str.startswith(prefix)].sort_values("ratio")
        if len(theirs) and len(ours):
            here = style.list_in_words(f"{style.number(r['ratio'])} ({r['runtime']})" for r in ours.to_dict("records"))
            span = f"{style.number(theirs.min())} to {style.number(theirs.max())}"
            parts.append(f"{name} was published at {span} times runc, and came to {here} here")
    if not parts:
        return "No runtime of this run has a published figure to be set beside it."
    return f"{'; '.join(parts)}. Each source has a host, versions and an engine in front of its own."

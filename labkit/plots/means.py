"""Ratios of medians beside ratios of means; and times that make the two disagree."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style
from labkit.stats.means import ONE_ONLY, REVERSED
from labkit.stats.ratio import Array


def means(pairs: pd.DataFrame, label: str = "ratio to runc") -> Figure:
    """A row per pair: the ratio of medians as a dot, that of means as a hollow diamond, with a line between.

    `pairs`: columns of_medians, of_means, and workload or condition and metric, and runtime.
    """
    if pairs.empty:
        raise LabkitError("no means can be set beside medians: there are none", "labkit reproduce measures, as root")
    with style.styled():
        figure, (axes,) = style.new_figure(6.8, 1.3 + 0.33 * len(pairs))
        places = list(range(len(pairs)))
        axes.hlines(places, pairs["of_medians"], pairs["of_means"], color=style.GREY, linewidth=1, zorder=1)
        axes.plot(pairs["of_medians"], places, "o", color=style.WARM, markersize=7, label="ratio of medians")
        axes.plot(pairs["of_means"], places, "D", color=style.COLD, markersize=7, markerfacecolor="white",
                  label="ratio of means")  # fmt: skip
        axes.axvline(1, color="black", linewidth=1, zorder=0)
        axes.set_yticks(places, [name_of(row) for row in pairs.to_dict("records")])
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.margins(x=0.1)
        style.log_ratio_axis(axes)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{label} (log scale)")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def name_of(row: "dict[object, object]") -> str:
    """What a pair is of."""
    if "workload" in row:
        return f"{row['workload']}, {row['runtime']}"
    return f"{row['condition']}, {str(row['metric']).replace('_', ' ')}, {row['runtime']}"


def sentence(pairs: pd.DataFrame) -> str:
    """The pairs whose two ratios lie on different sides of 1."""
    if pairs.empty:
        return "There is no pair of a mean and a median."
    crossed = pairs[(pairs["of_medians"] > 1) != (pairs["of_means"] > 1)]
    if crossed.empty:
        return f"In none of {len(pairs)} pairs do mean and median lie on different sides of 1."
    told = style.list_in_words(
        f"{name_of(row)}, {style.number(row['of_medians'])} by medians and {style.number(row['of_means'])} by means"
        for row in crossed.to_dict("records")
    )
    return f"In {len(crossed)} of {len(pairs)} pairs the conclusion is turned round: {told}."


def own_in_words(found: pd.DataFrame) -> str:
    """How often means and medians of this run come to other conclusions; `found`: what Means gives."""
    if found.empty:
        return "This run has no series with enough blocks for both intervals."
    counts = found["verdict"].value_counts()
    return (
        f"Of {len(found)} series of this run, {int(counts.get(REVERSED, 0))} are turned round by the choice, and "
        f"{int(counts.get(ONE_ONLY, 0))} can be told from runc by one of the two alone."
    )


def times(base: Array, other: Array, names: tuple[str, str] = ("baseline", "runtime")) -> Figure:
    """Every time of two series as a dot, with the median as a bar and the mean as a diamond."""
    with style.styled():
        figure, (axes,) = style.new_figure(6.8, 2.2)
        for place, values in enumerate((base, other)):
            spread = place + 0.25 * np.linspace(-1, 1, len(values))
            axes.plot(values, spread, "o", color=style.GREY, markersize=3.5, alpha=0.7, markeredgewidth=0)
            axes.plot([np.median(values)] * 2, [place - 0.38, place + 0.38], color=style.WARM, linewidth=2.5,
                      label="median" if place == 0 else None)  # fmt: skip
            axes.plot([np.mean(values)], [place], "D", color=style.COLD, markersize=8, markerfacecolor="white",
                      markeredgewidth=1.8, label="mean" if place == 0 else None)  # fmt: skip
        axes.set_yticks([0, 1], names)
        axes.set_ylim(1.6, -0.6)
        style.log_ratio_axis(axes)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("time, made up; 1 is the baseline's usual (log scale)")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def times_in_words(base: Array, other: Array) -> str:
    """Both ratios of two series, and what decides the mean."""
    medians, averages = (float(of(other) / of(base)) for of in (np.median, np.mean))
    slowest = np.sort(base)[-max(1, len(base) // 10) :].sum() / base.sum()
    return (
        f"The runtime takes {style.number(medians)} times the baseline by medians and {style.number(averages)} times "
        f"by means: the slowest tenth of the baseline's trials has {slowest:.0%} of all its time."
    )

"""Published ratios and this run's for the same quantity, in one row each."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style


def beside(rows: pd.DataFrame) -> Figure:
    """A row per published figure and runtime here: theirs as a hollow square, ours as a dot with its interval.

    `rows`: what labkit.stats.Beside gives.
    """
    if rows.empty:
        raise LabkitError("no published figure has a counterpart that was measured here", "see data/published")
    shown = rows.sort_values(["workload", "runtime", "published"]).reset_index(drop=True)
    labels = [
        f"{row['workload']}, {row['runtime']} ÷ {row['baseline']}\n{row['published_of']} [{row['source']}]"
        for row in shown.to_dict("records")
    ]
    with style.styled():
        figure, (axes,) = style.new_figure(8.0, 1.2 + 0.42 * len(labels))
        places = list(shown.index)
        bars = [
            (shown["ratio"] - shown["low"]).clip(lower=0).fillna(0),
            (shown["high"] - shown["ratio"]).clip(lower=0).fillna(0),
        ]
        axes.hlines(places, shown["published"], shown["ratio"], color=style.GREY, linewidth=0.8, zorder=1)
        axes.errorbar(shown["ratio"], places, xerr=bars, fmt="o", color=style.WARM, capsize=3,
                      label="this run, 95 % interval")  # fmt: skip
        axes.plot(shown["published"], places, "s", color=style.COLD, markerfacecolor="white", label="published")
        axes.axvline(1, color="black", linewidth=1, zorder=0)
        axes.set_yticks(places, labels, fontsize="x-small")
        axes.set_ylim(len(labels) - 0.5, -0.5)
        style.log_ratio_axis(axes)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("cost, as a ratio (log scale)")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def sentence(rows: pd.DataFrame) -> str:
    """How many published figures lie in our intervals, how many near, and the one that is farthest."""
    if rows.empty:
        return "No published figure has a counterpart that was measured here."
    counts = rows["verdict"].value_counts()
    far = rows.sort_values("apart").iloc[-1]
    text = (
        f"Of {len(rows)} published ratios with a counterpart here, {int(counts.get('within', 0))} lie in our interval, "
        f"{int(counts.get('near', 0))} are within a factor of 1.5, {int(counts.get('apart', 0))} are farther off."
    )
    if far["verdict"] == "apart":
        text += (
            f" Farthest is {far['published_of']} ({style.number(far['published'])}, published) from "
            f"{far['workload']} in {far['runtime']} ({style.number(far['ratio'])}, here)."
        )
    return f"{text} Hosts, versions and programs differ: a ratio does not travel far."

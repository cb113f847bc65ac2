"""Performance against isolation: what a runtime costs a workload, and how much of the host's kernel it then uses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from labkit.errors import LabkitError
from labkit.plots import style

HOST = "host"
WORDS = {
    "host_syscalls": "distinct system calls of the host",
    "host_functions": "distinct functions of the host's kernel",
    "open": "things that the probe finds open",
}


def pareto(points: pd.DataFrame, metric: str) -> Figure:
    """A panel per workload, a point per runtime with 95 % intervals both ways; the front is filled and joined.

    `points`: what `labkit.stats.ParetoFront` gives; its cost is a ratio to host. `metric` is what its reach counts.
    """
    if points.empty:
        raise LabkitError(
            "performance cannot be set against isolation: no workload has both",
            "measure the study and the isolation of a workload: labkit reproduce, as root",
        )
    workloads = list(dict.fromkeys(points["workload"]))
    top = 1.15 * float(np.nanmax(points[["reach", "reach_high"]].to_numpy(dtype=np.float64)))
    with style.styled():
        figure, panels = style.new_panels(len(workloads), 3.9, 3.6)
        for axes, workload in zip(panels, workloads, strict=True):
            _panel(axes, points[points["workload"] == workload], top)
            axes.set_title(workload, fontsize="medium")
        figure.supylabel(WORDS.get(metric, metric), fontsize="medium")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        figure.supxlabel(
            "time of the workload, as a ratio to host (log scale); bars: 95 % interval; better is left and down",
            fontsize="medium",
        )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, top: float) -> None:
    host = rows["runtime"] == HOST
    for chosen, colour, marker, fill, label in (
        (rows[rows["front"]], style.WARM, "o", style.WARM, "on the front"),
        (rows[~rows["front"] & ~host], style.COLD, "D", "white", "another is better in both"),
        (rows[host], style.GREY, "s", style.GREY, "host, no sandbox"),
    ):
        bars = [
            [(chosen[f"{side}_high"] - chosen[side]), (chosen[side] - chosen[f"{side}_low"])]
            for side in ("cost", "reach")
        ]
        (above, below), (up, down) = [[bar.clip(lower=0).fillna(0) for bar in pair] for pair in bars]
        axes.errorbar(chosen["cost"], chosen["reach"], xerr=[below, above], yerr=[down, up], fmt=marker, color=colour,
                      markerfacecolor=fill, markersize=7, capsize=3, label=label, zorder=3)  # fmt: skip
    front = rows[rows["front"]].sort_values("cost")
    axes.plot(front["cost"], front["reach"], color=style.WARM, linewidth=1, linestyle="--", zorder=2)
    # Names of points at about one height stand above each other.
    level = rows.sort_values("cost").groupby((rows["reach"] / top * 12).round()).cumcount()
    for row in rows.assign(level=level).to_dict("records"):
        axes.annotate(row["runtime"], (row["cost"], row["reach"]), (7, 5 + 9 * row["level"]),
                      textcoords="offset points", fontsize="small", zorder=4,
                      path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
    style.log_ratio_axis(axes)
    low, high = axes.get_xlim()
    # The names stand right of the points.
    axes.set_xlim(low / 1.05, high * (high / low) ** 0.35)
    axes.set_ylim(0, top)


def sentence(points: pd.DataFrame, metric: str) -> str:
    """For each workload the front, from fast to slow, who is beaten beyond doubt, and of whom it is not decided."""
    if points.empty:
        return "No workload has both a cost and a measure of isolation."
    texts = [f"In brackets the time as a ratio to host, and the number of {WORDS.get(metric, metric)}."]
    for workload, rows in points.groupby("workload", sort=False):
        if not rows["front"].any():
            texts.append(f"{workload}: only host has both.")
            continue
        front = style.list_in_words(
            f"{row['runtime']} ({style.number(row['cost'])}; {row['reach']:.0f})"
            for row in rows[rows["front"]].sort_values("cost").to_dict("records")
        )
        text = f"{workload}: on the front {'is' if rows['front'].sum() == 1 else 'are'} {front}."
        for row in rows[rows["runtime"] == HOST].to_dict("records"):
            text += f" host has {row['reach']:.0f}."
        beaten = sorted(rows.loc[rows["beaten"], "runtime"])
        if beaten:
            text += f" {style.list_in_words(beaten)} {'is' if len(beaten) == 1 else 'are'} beaten in both by another."
        open_ = sorted(rows.loc[~rows["front"] & ~rows["beaten"] & (rows["runtime"] != HOST), "runtime"])
        if open_:
            text += f" Of {style.list_in_words(open_)} the intervals do not decide."
        texts.append(text)
    return " ".join(texts)

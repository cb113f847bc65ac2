"""Every single measurement: a strip per runtime on a logarithmic time axis, with the median marked."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style


def distribution(observations: pd.DataFrame, metric: str) -> Figure:
    """A row per runtime, a panel per condition, a dot per trial; within a row, time goes down from block to block.

    `observations`: the store's. A drift is seen as a slanted strip, an outlier as a lone dot. Rows go from fast to
    slow by the median of all their trials.
    """
    rows = observations[(observations["metric"] == metric) & (observations["status"] == "ok")]
    if rows.empty:
        raise LabkitError(
            f"no measurement of {metric} can be drawn: there is none", "labkit reproduce measures, as root"
        )
    conditions = [name for name in style.CONDITIONS if name in set(rows["condition"])]
    order = list(rows.groupby("runtime", observed=True)["value"].median().sort_values().index)
    with style.styled():
        figure, panels = style.new_figure(3.9 * max(len(conditions), 1.4), 1.2 + 0.42 * len(order), len(conditions))
        for axes, condition in zip(panels, conditions, strict=True):
            colour, marker = style.CONDITIONS[condition]
            for place, runtime in enumerate(order):
                strip = rows[(rows["condition"] == condition) & (rows["runtime"] == runtime)].sort_values("block")
                times = strip["value"] * 1000
                spread = [place + 0.32 * (2 * (i + 0.5) / len(times) - 1) for i in range(len(times))]
                axes.plot(times, spread, marker, color=colour, markersize=3.2, alpha=0.55, markeredgewidth=0)
                if len(times):
                    axes.plot([times.median()] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1.8)
            style.log_ratio_axis(axes)
            axes.set_title(f"{condition}, {_trials(rows[rows['condition'] == condition])}", fontsize="medium")
            axes.grid(visible=False, axis="y")
        spans = [axes.get_xlim() for axes in panels]
        for axes in panels:
            axes.set_xlim(min(low for low, _ in spans), max(high for _, high in spans))
        panels[0].set_yticks(range(len(order)), order)
        panels[0].set_ylim(len(order) - 0.4, -0.6)
        figure.supxlabel(f"{style.METRIC_WORDS.get(metric, metric)}, ms (log scale); black: median", fontsize="medium")
    return figure


def _trials(rows: pd.DataFrame) -> str:
    counts = rows.groupby("runtime", observed=True).size()
    few, many = int(counts.min()), int(counts.max())
    return f"n = {few} each" if few == many else f"n = {few} to {many}"


def sentence(observations: pd.DataFrame, metric: str, condition: str = "warm") -> str:
    """The fastest and the slowest median, and the runtime whose trials spread most."""
    rows = observations[
        (observations["metric"] == metric) & (observations["status"] == "ok") & (observations["condition"] == condition)
    ]
    if rows.empty:
        return f"Nothing was measured {condition}."
    groups = rows.groupby("runtime", observed=True)["value"]
    medians = groups.median().sort_values()
    spread = ((groups.quantile(0.95) - groups.quantile(0.05)) / groups.median()).sort_values()
    what = style.METRIC_WORDS.get(metric, metric)
    text = (
        f"The median {what} ({condition}) goes from {style.milliseconds(float(medians.iloc[0]))} ({medians.index[0]})"
    )
    text += f" to {style.milliseconds(float(medians.iloc[-1]))} ({medians.index[-1]})"
    widest = f"nine tenths of its trials lie in a range as wide as {spread.iloc[-1]:.0%} of its median"
    return f"{text}; {spread.index[-1]} spreads most: {widest}."

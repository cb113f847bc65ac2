"""What each runtime costs relative to a baseline: a dot with its interval on a logarithmic axis."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from labkit.errors import LabkitError
from labkit.plots import style

_LANE = 0.2  # how far the dots of two conditions in one row are from its middle


def ratio(ratios: pd.DataFrame, missing: pd.DataFrame, metric: str) -> Figure:
    """A row per runtime, a panel per baseline, a dot per condition with its interval; missing runtimes in grey.

    `ratios`: what RatioToBaseline gives, for one baseline or several below each other; `missing`: what Missing gives,
    whose failed trials are counted beside the runtime.
    Rows go from fast to slow by the first baseline's ratio.
    """
    chosen = of_metric(ratios, metric)
    baselines = list(dict.fromkeys(chosen["baseline"]))
    order = list(chosen[chosen["baseline"] == baselines[0]].groupby("runtime")["ratio"].min().sort_values().index)
    order += [name for name in dict.fromkeys(chosen["runtime"]) if name not in order]
    absent = {
        str(row["runtime"]): str(row["reason"])
        for row in missing.to_dict("records")
        if row["runtime"] not in order and row["status"] == "unavailable"
    }
    failed = missing[missing["status"] == "failed"].groupby("runtime")["trials"].sum()
    names = [f"{name} ({failed[name]} failed)" if name in failed else name for name in order]
    with style.styled():
        rows = len(order) + len(absent)
        figure, panels = style.new_figure(3.9 * max(len(baselines), 1.4), 1.5 + 0.4 * rows, len(baselines))
        for axes, baseline in zip(panels, baselines, strict=True):
            _panel(axes, chosen[chosen["baseline"] == baseline], order, baseline)
            for place, reason in enumerate(absent.values(), len(order)):
                axes.axhspan(place - 0.5, place + 0.5, color="#f2f2f2", zorder=0)
                if axes is panels[0]:
                    text = style.shorten(f"not available: {reason}", 46)
                    axes.text(0.01, place, text, transform=axes.get_yaxis_transform(), va="center",
                              fontsize="small", color="#555555", zorder=5)  # fmt: skip
        panels[0].set_yticks(range(rows), [*names, *absent])
        for label in panels[0].get_yticklabels()[len(order) :]:
            label.set_color(style.GREY)
        panels[0].set_ylim(rows - 0.4, -0.6)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
        figure.supxlabel(
            f"{style.METRIC_WORDS.get(metric, metric)}, as a ratio (log scale); bars: 95 % interval", fontsize="medium"
        )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, order: list[str], baseline: str) -> None:
    conditions = [name for name in style.CONDITIONS if name in set(rows["condition"])]
    for condition in conditions:
        colour, marker = style.CONDITIONS[condition]
        lane = 0.0 if len(conditions) == 1 else _LANE * (1 if condition == "cold" else -1)
        points = rows[rows["condition"] == condition]
        places = [order.index(name) + lane for name in points["runtime"]]
        # An interval that does not exist (one block) is drawn as no bar.
        below = (points["ratio"] - points["low"]).clip(lower=0).fillna(0)
        above = (points["high"] - points["ratio"]).clip(lower=0).fillna(0)
        axes.errorbar(
            points["ratio"], places, xerr=[below, above], fmt=marker, color=colour, markersize=6, capsize=3,
            markerfacecolor=colour if condition == "warm" else "white", label=condition, zorder=3,
        )  # fmt: skip
        for x, high, y in zip(points["ratio"], points["high"].fillna(points["ratio"]), places, strict=True):
            axes.annotate(style.number(x), (high, y), (6, 0), textcoords="offset points", va="center",
                          fontsize="x-small", color=colour, zorder=4,
                          path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
    axes.axvline(1, color=style.BASELINE, linewidth=1.2, zorder=1)
    style.log_ratio_axis(axes)
    # The last number stands right of its dot.
    low, high = axes.get_xlim()
    longest = max(len(text.get_text()) for text in axes.texts)
    axes.set_xlim(low / 1.1, high * (high / low) ** (0.022 * longest))
    axes.set_title(f"÷ {baseline}", fontsize="medium")
    axes.grid(visible=False, axis="y")


def sentence(ratios: pd.DataFrame, metric: str, baseline: str, condition: str = "warm") -> str:
    """Which runtimes are faster and slower than `baseline`, and which cannot be told from it."""
    rows = ratios[
        (ratios["metric"] == metric)
        & (ratios["baseline"] == baseline)
        & (ratios["condition"] == condition)
        & (ratios["runtime"] != baseline)
        & ~ratios["runtime"].astype(str).str.endswith("-again")
    ].sort_values("ratio")
    if rows.empty:
        return f"Nothing was compared with {baseline} ({condition})."
    slower = rows[rows["low"] > 1]
    faster = rows[rows["high"] < 1]
    alike = rows[~rows.index.isin(slower.index) & ~rows.index.isin(faster.index)]
    parts = []
    if len(faster):
        parts.append(f"{_each(faster)} took less than {baseline}")
    if len(alike):
        parts.append(f"{_each(alike)} cannot be told from {baseline}")
    if len(slower):
        parts.append(f"{_each(slower)} took more" + ("" if faster.size else f" than {baseline}"))
    what = style.METRIC_WORDS.get(metric, metric)
    return f"{what[0].upper()}{what[1:]} ({condition}), as a ratio to {baseline}: {'; '.join(parts)}."


def _each(rows: pd.DataFrame) -> str:
    return style.list_in_words(
        f"{row['runtime']} {style.number(row['ratio'])} ({_interval(row['low'], row['high'])})"
        for row in rows.to_dict("records")
    )


def _interval(low: float, high: float) -> str:
    return f"{style.number(low)} to {style.number(high)}" if low == low else "too few blocks for an interval"


def of_metric(ratios: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of one metric; LabkitError when there are none."""
    chosen = ratios[ratios["metric"] == metric]
    if chosen.empty:
        raise LabkitError(
            f"no ratio of {metric} can be drawn: nothing was measured together with its baseline",
            "measure with a baseline: labkit reproduce, as root",
        )
    return chosen

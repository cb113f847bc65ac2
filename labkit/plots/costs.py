"""What several workloads cost in each runtime: a dot with its interval for each pair, a panel per baseline."""

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style
from labkit.stats.cost import told_apart

_AGAIN = "-again"


def costs(rows: pd.DataFrame, what: str = "cost") -> Figure:
    """A row per workload and a lane in it per runtime, on a logarithmic axis of ratios; hollow where not steady.

    `rows`: what Cost gives, or any frame with workload, runtime, baseline, ratio, low and high, and perhaps warning.
    The baseline itself and the control are not drawn. `what` names the quantity.
    """
    shown = of_others(rows)
    if shown.empty:
        raise LabkitError(f"no {what} can be drawn: none was measured with a baseline", "labkit reproduce measures")
    workloads = list(dict.fromkeys(shown["workload"]))
    looks = style.looks(shown["runtime"])
    baselines = list(dict.fromkeys(shown["baseline"]))
    with style.styled():
        height = 1.5 + len(workloads) * (0.2 + 0.13 * len(looks))
        figure, panels = style.new_figure(3.9 * max(len(baselines), 1.6), height, len(baselines))
        for axes, baseline in zip(panels, baselines, strict=True):
            _panel(axes, shown[shown["baseline"] == baseline], workloads, looks)
            axes.set_title(f"÷ {baseline}", fontsize="medium")
        panels[0].set_yticks(range(len(workloads)), workloads)
        panels[0].set_ylim(len(workloads) - 0.5, -0.5)
        handles: dict[str, Artist] = {}
        for axes in panels:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        order = [name for name in looks if name in handles]
        figure.legend([handles[name] for name in order], order, loc="outside upper center",
                      ncols=min(len(order), 4), frameon=False)  # fmt: skip
        figure.supxlabel(
            f"{what}, as a ratio (log scale); bars: 95 % interval; hollow: with a warning", fontsize="medium"
        )
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, workloads: list[str], looks: dict[str, tuple[str, str]]) -> None:
    for lane, (runtime, (colour, marker)) in enumerate(looks.items()):
        points = rows[rows["runtime"] == runtime]
        offset = 0.8 * ((lane + 0.5) / len(looks) - 0.5)
        warned = points["warning"].fillna("") != "" if "warning" in points else pd.Series(False, index=points.index)
        for filled in (True, False):
            some = points[warned != filled]
            if some.empty:
                continue
            bars = [
                (some["ratio"] - some["low"]).clip(lower=0).fillna(0),
                (some["high"] - some["ratio"]).clip(lower=0).fillna(0),
            ]
            places = [workloads.index(name) + offset for name in some["workload"]]
            axes.errorbar(
                some["ratio"], places, xerr=bars, fmt=marker, color=colour, markersize=5, capsize=2, zorder=3,
                elinewidth=1, markerfacecolor=colour if filled else "white", label=runtime,
            )  # fmt: skip
    for place in range(len(workloads) - 1):
        axes.axhline(place + 0.5, color="#d0d0d0", linewidth=0.8, zorder=0)
    axes.axvline(1, color="black", linewidth=1, zorder=1)
    style.log_ratio_axis(axes)
    axes.grid(visible=False, axis="y")


def of_others(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that compare a runtime with another: neither a baseline with itself nor the control."""
    ratio = rows.dropna(subset=["ratio"])
    return ratio[(ratio["runtime"] != ratio["baseline"]) & ~ratio["runtime"].astype(str).str.endswith(_AGAIN)]


def sentence(rows: pd.DataFrame, baseline: str = "runc", what: str = "cost") -> str:
    """For each runtime the workloads that cost least and most, and how many pairs cannot be told from the baseline."""
    shown = of_others(rows)
    shown = shown[(shown["baseline"] == baseline) & (shown["runtime"] != "host")]
    if shown.empty:
        return f"Nothing was compared with {baseline}."
    parts = []
    for runtime in style.looks(shown["runtime"]):
        mine = shown[shown["runtime"] == runtime].sort_values("ratio")
        least, most = mine.iloc[0], mine.iloc[-1]
        if len(mine) == 1:
            parts.append(f"{runtime} {style.number(least['ratio'])} ({least['workload']})")
        else:
            span = f"{style.number(least['ratio'])} ({least['workload']}) to {style.number(most['ratio'])}"
            parts.append(f"{runtime} {span} ({most['workload']})")
    apart = int(told_apart(shown).sum())
    return (
        f"{what[0].upper()}{what[1:]} as a ratio to {baseline}: {'; '.join(parts)}. "
        f"{apart} of these {len(shown)} ratios can be told from 1."
    )

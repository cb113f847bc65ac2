"""Percentiles of the latency of servers: a line per runtime, a panel per workload."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from labkit.errors import LabkitError
from labkit.plots import style


def latency(rows: pd.DataFrame) -> Figure:
    """Latency in ms over the percentile, with intervals; `rows`: what Latency gives."""
    shown = rows[~rows["runtime"].astype(str).str.endswith("-again")]
    if shown.empty:
        raise LabkitError("no latency can be drawn: none was measured", "labkit reproduce measures, as root")
    workloads = list(dict.fromkeys(shown["workload"]))
    looks = style.looks(shown["runtime"])
    with style.styled():
        figure, panels = style.new_panels(len(workloads), 2.9, 2.6)
        for axes, workload in zip(panels, workloads, strict=True):
            here = shown[shown["workload"] == workload]
            percentiles = sorted(set(here["percentile"]))
            for lane, (runtime, (colour, marker)) in enumerate(looks.items()):
                mine = here[here["runtime"] == runtime].sort_values("percentile")
                places = [percentiles.index(one) + 0.07 * (lane - len(looks) / 2) for one in mine["percentile"]]
                bars = [
                    1000 * (mine["median"] - mine["low"]).clip(lower=0).fillna(0),
                    1000 * (mine["high"] - mine["median"]).clip(lower=0).fillna(0),
                ]
                axes.errorbar(places, 1000 * mine["median"], yerr=bars, fmt=f"{marker}-", color=colour, markersize=5,
                              linewidth=0.9, capsize=2, label=runtime)  # fmt: skip
            axes.set_xticks(range(len(percentiles)), [f"{one:g} %" for one in percentiles])
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_title(workload, fontsize="medium")
            axes.grid(visible=False, axis="x")
        figure.supylabel("latency, ms (log scale)", fontsize="medium")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), frameon=False)
        figure.supxlabel(
            "percentile of the requests of a trial; bars: 95 % interval of the median trial", fontsize="medium"
        )
    return figure


def sentence(rows: pd.DataFrame, most: int = 3) -> str:
    """The workloads, `most` of them, whose slowest requests suffer most, with the runtime in which they do."""
    compared = rows.dropna(subset=["ratio"])
    compared = compared[~compared["runtime"].astype(str).str.endswith("-again")]
    slowest = compared.groupby("workload")["percentile"].transform("max")
    last = compared[compared["percentile"] == slowest].sort_values("ratio", ascending=False)
    parts = []
    for row in last.drop_duplicates("workload").head(most).to_dict("records"):
        within = f" ({style.number(row['ratio_low'])} to {style.number(row['ratio_high'])})"
        beside = f"{style.number(row['ratio'])}{within if row['ratio_low'] == row['ratio_low'] else ''} times runc's"
        took = f"{100 - row['percentile']:g} % of the requests take {style.milliseconds(row['median'])}"
        parts.append(f"{row['workload']}: {took} or longer in {row['runtime']}, {beside}")
    if not parts:
        return "No latency was compared with runc's."
    count = last["workload"].nunique()
    return f"{'Of ' + str(count) + ' workloads those that suffer most: ' if count > most else ''}{'; '.join(parts)}."

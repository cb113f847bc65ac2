"""The whole study at a glance: workload × runtime, each cell the cost as a ratio to a baseline."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from labkit.bench.startup import AGAIN
from labkit.errors import LabkitError
from labkit.plots import style
from labkit.plots.costs import of_others
from labkit.stats.cost import told_apart
from labkit.stats.ratio import fewest

_FEW = fewest(0.95)
# Purple to orange: told apart with any colour vision, and light at the middle in a grey print.
_MAP = "PuOr_r"
# Beyond this power of two, 16 times as much or as little, the colour stays as it is.
_MOST = 4.0


def heatmap(
    costs: pd.DataFrame,
    missing: pd.DataFrame,
    baseline: str,
    what: str = "cost",
    meaning: str = " (2: twice the time, or half the throughput)",
) -> Figure:
    """A row per workload under its group, a column per runtime; orange costs more than the baseline, violet less.

    `costs`: what Cost gives, or a frame with its columns, of which `what` names the quantity and `meaning` explains it;
    `missing`: columns workload, runtime and reason, drawn as hatched cells. A number in brackets cannot be told from 1,
    a ~ marks a series with a warning, a ? one with too few blocks for an interval.
    """
    rows = of_others(costs[costs["baseline"] == baseline])
    if rows.empty:
        raise LabkitError(
            f"no heat map can be drawn: nothing was measured beside {baseline}", "labkit reproduce measures"
        )
    order = rows.drop_duplicates("workload")[["group", "workload"]]
    workloads = list(order["workload"])
    runtimes = list(style.looks([*rows["runtime"], *missing["runtime"]]))
    runtimes = [name for name in runtimes if name not in (baseline, AGAIN)]
    cells = {(row["workload"], row["runtime"]): row for row in rows.to_dict("records")}
    lost = {(row["workload"], row["runtime"]) for row in missing.to_dict("records")}
    norm = Normalize(-_MOST, _MOST)
    colours = colormaps[_MAP]
    with style.styled():
        figure, (axes,) = style.new_figure(2.4 + 0.85 * len(runtimes), 1.4 + 0.28 * len(workloads))
        for y, workload in enumerate(workloads):
            for x, runtime in enumerate(runtimes):
                cell = cells.get((workload, runtime))
                if cell is None:
                    gone = (workload, runtime) in lost or ("", runtime) in lost
                    axes.fill_between([x - 0.5, x + 0.5], y - 0.5, y + 0.5, facecolor="#f4f4f4", edgecolor="#bbbbbb",
                                      hatch="////" if gone else "", linewidth=0)  # fmt: skip
                    continue
                colour = colours(norm(np.log2(cell["ratio"])))
                axes.fill_between([x - 0.5, x + 0.5], y - 0.5, y + 0.5, color=colour, linewidth=0)
                dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 0.55
                axes.text(x, y, words(cell), ha="center", va="center", fontsize="small",
                          color="white" if dark else "black")  # fmt: skip
        for y in range(1, len(workloads)):
            if order["group"].iloc[y] != order["group"].iloc[y - 1]:
                axes.axhline(y - 0.5, color="black", linewidth=1.2)
        axes.set_xlim(-0.5, len(runtimes) - 0.5)
        axes.set_ylim(len(workloads) - 0.5, -0.5)
        axes.set_xticks(range(len(runtimes)), runtimes, rotation=30, ha="left")
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(workloads)), workloads)
        axes.grid(visible=False)
        for name, first in _firsts(list(order["group"])).items():
            axes.text(len(runtimes) - 0.42, first, name, va="center", fontsize="small", color="#555555")
        figure.supxlabel(
            f"{what} ÷ {baseline}{meaning}\n"
            f"(…): cannot be told from 1   ~: not steady   ?: fewer than {_FEW} blocks\n"
            "hatched: failed or not available   grey: not measured",
            fontsize="small",
        )
    return figure


def words(cell: "dict[object, object] | pd.Series[float]") -> str:
    """What stands in a cell: the ratio, with its marks."""
    ratio, low, high = (float(str(cell[name])) for name in ("ratio", "low", "high"))
    text = style.number(ratio)
    if int(str(cell["n"])) < _FEW:
        return f"{text}?"
    if low <= 1 <= high:
        text = f"({text})"
    return f"{text}~" if cell["warning"] else text


def _firsts(groups: list[str]) -> dict[str, int]:
    return {name: groups.index(name) for name in dict.fromkeys(groups)}


def sentence(costs: pd.DataFrame, missing: pd.DataFrame, baseline: str, verb: str = "cost") -> str:
    """The cells that cost most and least, how many cannot be told from 1, and how many have a mark or are missing."""
    rows = of_others(costs[costs["baseline"] == baseline]).sort_values("ratio")
    if rows.empty:
        return f"Nothing was compared with {baseline}."
    least, most = (
        f"{row['workload']} in {row['runtime']} ({style.number(row['ratio'])})" for row in (rows.iloc[0], rows.iloc[-1])
    )
    few = rows["n"] < _FEW
    more, less = (int((told_apart(rows) & side).sum()) for side in (rows["low"] > 1, rows["high"] < 1))
    unsteady = int((~few & (rows["warning"] != "")).sum())
    pairs = len(missing[["workload", "runtime"]].drop_duplicates())
    return (
        f"Of {len(rows)} pairs of a workload and a runtime, {more} {verb} more than {baseline} and {less} less; the "
        f"others cannot be told from it. Most: {most}; least: {least}. Too few blocks for an interval: "
        f"{int(few.sum())}; not steady: {unsteady}; missing: {pairs}."
    )

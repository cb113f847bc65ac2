"""How much of the host's kernel a runtime's sandboxes use: a dot per runtime, a panel per workload."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.bench.isolation import ALL_CALLS, CALL, CALLS
from labkit.errors import LabkitError
from labkit.plots import style
from labkit.plots.pareto import WORDS


def host_kernel(observations: pd.DataFrame, metric: str = CALLS) -> Figure:
    """The median number over the blocks, with the least and the most; the order is that of the first panel's medians.

    `observations`: of the isolation experiment.
    """
    rows = of(observations, metric)
    workloads = list(dict.fromkeys(rows["workload"]))
    table = summary(rows)
    first = table[table["workload"] == workloads[0]].sort_values("median")
    order = list(first["runtime"]) + sorted(set(rows["runtime"]) - set(first["runtime"]))
    with style.styled():
        figure, panels = style.new_panels(len(workloads), 3.2, 0.9 + 0.36 * len(order))
        for axes, workload in zip(panels, workloads, strict=True):
            own = table[table["workload"] == workload]
            places = [order.index(name) for name in own["runtime"]]
            axes.errorbar(own["median"], places, xerr=[own["median"] - own["least"], own["most"] - own["median"]],
                          fmt="o", color=style.WARM, markersize=6, capsize=3, zorder=3)  # fmt: skip
            for x, most, y in zip(own["median"], own["most"], places, strict=True):
                axes.annotate(f"{x:.0f}", (most, y), (6, 0), textcoords="offset points", va="center",
                              fontsize="x-small", color=style.WARM)  # fmt: skip
            axes.set_title(workload, fontsize="medium")
            axes.set_xlim(0, 1.15 * float(table["most"].max()))
            axes.grid(visible=False, axis="y")
        panels[0].set_yticks(range(len(order)), order)
        panels[0].set_ylim(len(order) - 0.5, -0.5)
        figure.supxlabel(f"{WORDS.get(metric, metric)}; bars: least and most of all blocks", fontsize="medium")
    return figure


def of(observations: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The good rows of one metric; LabkitError when there are none."""
    rows = observations[(observations["metric"] == metric) & (observations["status"] == "ok")]
    if rows.empty:
        raise LabkitError(
            f"no {WORDS.get(metric, metric)} can be drawn: none were counted", "labkit reproduce counts them, as root"
        )
    return rows


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per workload and runtime: n, median, least and most."""
    grouped = rows.groupby(["workload", "runtime"], sort=False)["value"]
    return grouped.agg(n="count", median="median", least="min", most="max").reset_index()


def sentence(observations: pd.DataFrame, metric: str = CALLS) -> str:
    """For each workload who uses least and most, and host."""
    rows = summary(of(observations, metric))
    texts = []
    for workload, own in rows.groupby("workload", sort=False):
        own = own.sort_values("median")
        least, most = own.iloc[0], own.iloc[-1]
        texts.append(
            f"{workload}: {least['runtime']} uses the fewest {WORDS.get(metric, metric)}, {least['median']:.0f}, "
            f"and {most['runtime']} the most, {most['median']:.0f}"
            + "".join(
                f"; host, with no isolation, {row['median']:.0f}"
                for row in own.to_dict("records")
                if row["runtime"] == "host" and "host" not in (least["runtime"], most["runtime"])
            )
            + "."
        )
    return " ".join(texts)


def named(observations: pd.DataFrame, workload: str) -> pd.DataFrame:
    """For a workload, by runtime: how many calls it makes in all, and the names of those that host does not make."""
    rows = observations[(observations["workload"] == workload) & (observations["status"] == "ok")]
    calls = rows[rows["metric"].str.startswith(CALL)]
    names = {str(runtime): set(own["metric"].str.removeprefix(CALL)) for runtime, own in calls.groupby("runtime")}
    made = rows[rows["metric"] == ALL_CALLS].groupby("runtime")["value"].median()
    found = []
    for runtime, own in names.items():
        only = sorted(own - names.get("host", set()))
        line = {"runtime": runtime, "calls made": f"{made[runtime]:,.0f}", "distinct, all blocks": len(own)}
        found.append(line | {"not made by host": "–" if runtime == "host" else ", ".join(only) or "none"})
    return pd.DataFrame(found)

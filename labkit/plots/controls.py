"""The A/A control of every workload: the runtime against itself, which must come out as 1."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.bench.startup import AGAIN
from labkit.errors import LabkitError
from labkit.plots import style
from labkit.stats.cost import told_apart
from labkit.stats.validity import by_chance

_BASELINE = "runc"


def of_control(costs: pd.DataFrame) -> pd.DataFrame:
    """The control's rows of what Cost gives, those without an interval too."""
    return costs[(costs["runtime"] == AGAIN) & (costs["baseline"] == _BASELINE)].reset_index(drop=True)


def controls(costs: pd.DataFrame) -> Figure:
    """A row per workload: the ratio of runc to itself with its interval, those that leave out 1 marked."""
    rows = of_control(costs)
    if rows.empty:
        raise LabkitError("no control can be drawn: it was not measured", "labkit reproduce measures, as root")
    with style.styled():
        figure, (axes,) = style.new_figure(6.2, 1.1 + 0.24 * len(rows))
        beyond = told_apart(rows)
        for some, colour, marker, label in (
            (rows[~beyond], style.WARM, "o", "contains 1, or no interval"),
            (rows[beyond], style.COLD, "D", "leaves out 1"),
        ):
            if some.empty:
                continue
            bars = [
                (some["ratio"] - some["low"]).clip(lower=0).fillna(0),
                (some["high"] - some["ratio"]).clip(lower=0).fillna(0),
            ]
            axes.errorbar(some["ratio"], list(some.index), xerr=bars, fmt=marker, color=colour, capsize=3,
                          markersize=5, label=label)  # fmt: skip
        axes.axvline(1, color="black", linewidth=1, zorder=1)
        style.log_ratio_axis(axes)
        axes.set_yticks(range(len(rows)), rows["workload"])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("cost of runc ÷ runc (log scale); bars: 95 % interval")
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def sentence(costs: pd.DataFrame) -> str:
    """How many controls fail, how likely that is by chance, and the largest difference that was found in nothing."""
    rows = of_control(costs)
    known = rows.dropna(subset=["low"])
    if known.empty:
        return "No control has an interval yet: fewer than six blocks were measured."
    beyond = int(told_apart(known).sum())
    largest = known.sort_values("ratio", key=lambda ratios: ratios.map(lambda one: max(one, 1 / one))).iloc[-1]
    return (
        f"{beyond} of {len(known)} controls leave out 1; at the 95 % level {0.05 * len(known):.1f} are expected to, "
        f"and so many or more come by chance with probability {by_chance(beyond, len(known)):.2f}. The largest "
        f"difference of runc from itself is {style.number(float(str(largest['ratio'])))} ({largest['workload']}): "
        "believe no smaller one."
    )

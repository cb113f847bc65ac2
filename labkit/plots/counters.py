"""Figures of a container over time: a panel each, below each other, with the limit where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from labkit.errors import LabkitError
from labkit.plots import style

# Told apart without colour by their dashes.
_LOOKS = ((style.WARM, "-"), (style.COLD, "--"), (style.BASELINE, ":"))


@dataclass(frozen=True, slots=True)
class Panel:
    """One y axis: its label with the unit, the columns it shows by the words for each, and the limit, in that unit.

    `scale` is what the columns are divided by; `whole`: they are counts.
    """

    label: str
    columns: Mapping[str, str]
    limit: float | None = None
    scale: float = 1.0
    whole: bool = False


def counters(frame: pd.DataFrame, panels: Sequence[Panel], seconds: float | None = None) -> Figure:
    """The columns of `frame` over its `time` in s; the axis goes on to `seconds` where that is later.

    Columns the host does not count are left out. LabkitError when there is nothing to draw.
    """
    shown = [panel for panel in panels if any(name in frame and frame[name].notna().any() for name in panel.columns)]
    if frame.empty or not shown:
        raise LabkitError("nothing was counted that could be drawn", "labkit doctor shows the controllers")
    with style.styled():
        figure, rows = style.new_stack(7.2, max(2.6, 0.6 + 1.35 * len(shown)), len(shown))
        for axes, panel in zip(rows, shown, strict=True):
            _panel(axes, frame, panel)
        rows[-1].set_xlim(0, max(float(frame["time"].max()), seconds or 0.0, 0.1))
        rows[-1].set_xlabel("time, s")
        figure.align_ylabels(rows)
    return figure


def _panel(axes: Axes, frame: pd.DataFrame, panel: Panel) -> None:
    tallest = panel.limit or 0.0
    for (name, words), (colour, dash) in zip(panel.columns.items(), _LOOKS, strict=False):
        if name in frame:
            values = frame[name] / panel.scale
            axes.plot(frame["time"], values, dash, color=colour, linewidth=1.6, label=words)
            tallest = max(tallest, float(values.max()))
    if panel.limit is not None:
        axes.axhline(panel.limit, color="black", linewidth=1.0, zorder=1)
        axes.annotate(f"limit {style.number(panel.limit)}", (0.01, panel.limit), (0, 2), va="bottom",
                      xycoords=axes.get_yaxis_transform(), textcoords="offset points", fontsize="x-small")  # fmt: skip
    axes.set_ylim(0, 1.25 * tallest or 1.0)
    axes.set_ylabel(panel.label)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=panel.whole))
    if len(panel.columns) > 1:
        axes.legend(loc="lower right", frameon=True, fontsize="x-small", ncols=len(panel.columns))

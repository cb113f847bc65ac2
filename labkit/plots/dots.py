"""Amounts with their intervals: a row per thing, a lane in it per kind, on a logarithmic axis."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style


def dots(rows: pd.DataFrame, row: str, lane: str, looks: dict[str, tuple[str, str]], axis: str) -> Figure:
    """`rows` has the columns `row`, `lane`, value, low and high; `looks` the colour and marker of each lane.

    A missing interval (NaN) is drawn as no bar; amounts that are not above 0 have no place on the axis and are left
    out. Raises LabkitError when nothing is left.
    """
    shown = rows[rows["value"] > 0]
    if shown.empty:
        raise LabkitError("there is nothing to draw: nothing was measured", "labkit reproduce measures, as root")
    names = list(dict.fromkeys(shown[row]))
    lanes = {name: look for name, look in looks.items() if name in set(shown[lane])}
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 1.2 + len(names) * (0.2 + 0.14 * len(lanes)))
        for place, (name, (colour, marker)) in enumerate(lanes.items()):
            points = shown[shown[lane] == name]
            offset = 0.8 * ((place + 0.5) / len(lanes) - 0.5)
            bars = [
                (points["value"] - points["low"]).clip(lower=0).fillna(0),
                (points["high"] - points["value"]).clip(lower=0).fillna(0),
            ]
            axes.errorbar(points["value"], [names.index(one) + offset for one in points[row]], xerr=bars,
                          fmt=marker, color=colour, markersize=5, capsize=2.5, label=name)  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        for edge in range(1, len(names)):
            axes.axhline(edge - 0.5, color="#d8d8d8", linewidth=0.8, zorder=0)
        style.log_ratio_axis(axes)
        axes.set_xlabel(f"{axis} (log scale); bars: 95 % interval")
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper center", ncols=min(len(lanes), 5), frameon=False)
    return figure

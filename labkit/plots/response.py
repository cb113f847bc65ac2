"""What was got over what was asked for: a dot with its interval for each, and the line on which both are the same."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style

_LOOKS = ((style.WARM, "o"), (style.COLD, "D"))
_ASIDE = 0.006


def response(
    series: Mapping[str, pd.DataFrame], asked: str, got: str, *, ceiling: float | None = None, ideal: str = "as asked"
) -> Figure:
    """A dot per row of each of `series`, by its name in the legend; `asked` and `got` are the labels of the axes.

    The frames are those of `labkit.stats.Median`: their first column is what was asked for. `ceiling` is the most that
    there is to be had at all.
    """
    drawn = {name: rows for name, rows in series.items() if len(rows)}
    if not drawn:
        raise LabkitError("no response can be drawn: nothing was measured", "labkit doctor shows the controllers")
    with style.styled():
        figure, (axes,) = style.new_figure(5.6, 4.4)
        most = max(float(rows.iloc[:, 0].max()) for rows in drawn.values()) * 1.06
        axes.plot([0, most], [0, most], "--", color=style.BASELINE, linewidth=1.4, label=ideal, zorder=1)
        if ceiling is not None:
            axes.axhline(ceiling, color=style.GREY, linewidth=1.2, linestyle=":", label="under no limit", zorder=1)
        for index, ((name, rows), (colour, marker)) in enumerate(zip(drawn.items(), _LOOKS, strict=False)):
            bars = [
                (rows["median"] - rows["low"]).clip(lower=0).fillna(0),
                (rows["high"] - rows["median"]).clip(lower=0).fillna(0),
            ]
            # Side by side, where two series are at the same place.
            places = rows.iloc[:, 0] + most * _ASIDE * (2 * index - len(drawn) + 1)
            axes.errorbar(places, rows["median"], yerr=bars, fmt=marker, color=colour, markersize=5, capsize=3,
                          markerfacecolor="white" if index else colour, label=name, zorder=3)  # fmt: skip
        axes.set_xlim(0, most)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(asked)
        axes.set_ylabel(got)
        axes.legend(loc="upper left", frameon=True, fontsize="small")
    return figure

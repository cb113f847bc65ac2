"""An amount that grows with time, one line for each condition, beside the slope that its limit allows."""

from collections.abc import Iterable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style

_LOOKS = ((style.WARM, "-", "o"), (style.COLD, "-", "D"), (style.BASELINE, "-", "s"), (style.GREY, "-", "^"))


def cumulative(lines: Mapping[str, pd.DataFrame], slopes: Iterable[float], label: str) -> Figure:
    """A line for each of `lines`: `time` in s and `amount`, in the unit that `label` names.

    `slopes` are what the limits allow, amount per s; each is a dashed line.
    """
    drawn = {name: rows for name, rows in lines.items() if len(rows)}
    if not drawn:
        raise LabkitError("no growth can be drawn: nothing was counted", "labkit doctor shows the controllers")
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 3.4)
        span = max(float(rows["time"].max()) for rows in drawn.values())
        tallest = max(float(rows["amount"].max()) for rows in drawn.values())
        for slope in slopes:
            axes.plot([0, span], [0, slope * span], "--", color="black", linewidth=1.0, zorder=1, label="as allowed")
        for (name, rows), (colour, dash, marker) in zip(drawn.items(), _LOOKS, strict=False):
            axes.plot(rows["time"], rows["amount"], dash, color=colour, linewidth=1.6, label=name, marker=marker,
                      markevery=max(1, len(rows) // 12), markersize=4)  # fmt: skip
        axes.set_xlim(0, span)
        axes.set_ylim(0, 1.05 * tallest or 1.0)
        axes.set_xlabel("time, s")
        axes.set_ylabel(label)
        handles, labels = axes.get_legend_handles_labels()
        # The slopes share a look, and so an entry.
        entries = dict(zip(labels, handles, strict=True))
        figure.legend(entries.values(), entries.keys(), loc="outside upper center", ncols=len(entries), frameon=False)
    return figure

"""How a number of one version of cgroups becomes one of the other: both axes logarithmic, so that ratios are slopes."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from labkit.plots import style


def conversion(weights: pd.DataFrame, default: int = 1024) -> Figure:
    """`shares` to `weight`, and the line on which ratios to `default` would stay as they are."""
    kept = weights["weight"][weights["shares"] == default].iloc[0] / default
    with style.styled():
        figure, (axes,) = style.new_figure(5.6, 3.6)
        axes.plot(weights["shares"], weights["shares"] * kept, "--", color=style.BASELINE, linewidth=1.4,
                  label=f"the ratio to {default} kept")  # fmt: skip
        axes.plot(
            weights["shares"], weights["weight"], "o", color=style.WARM, markersize=5, label="what the engine writes"
        )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks([2**power for power in range(1, 19, 3)])
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("cpu.shares (v1)")
        axes.set_ylabel("cpu.weight (v2)")
        axes.legend(loc="upper left", frameon=True, fontsize="small")
    return figure

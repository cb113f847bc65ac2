"""How many whole lives a second a runtime gets through when more and more sandboxes are asked for at once."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from labkit.errors import LabkitError
from labkit.plots import style


def crowd(rates: pd.DataFrame) -> Figure:
    """`rates`: what nb.lives.rates gives, columns runtime, count, median, low, high; a line for each runtime."""
    if rates.empty:
        raise LabkitError("nothing was asked for at once in this run", "labkit reproduce measures, as root")
    looks = style.looks(rates["runtime"])
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 3.8)
        for name, (colour, marker) in looks.items():
            line = rates[rates["runtime"] == name].sort_values("count")
            bars = [(line["median"] - line["low"]).fillna(0), (line["high"] - line["median"]).fillna(0)]
            axes.errorbar(line["count"], line["median"], yerr=bars, color=colour, marker=marker, markersize=5,
                          capsize=2.5, linewidth=1.2, label=name)  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(sorted(set(rates["count"])))
        for scale in (axes.xaxis, axes.yaxis):
            scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xlabel("sandboxes asked for at once")
        axes.set_ylabel("whole lives per second (log scale)")
        axes.minorticks_off()
        figure.legend(loc="outside right center", frameon=False)
    return figure


def sentence(rates: pd.DataFrame) -> str:
    """The runtime that gets through most at the largest number, and what asking for many at once brings it."""
    if rates.empty:
        return "Nothing was asked for at once in this run."
    most = rates["count"].max()
    last = rates[(rates["count"] == most) & ~rates["runtime"].str.endswith("-again")].sort_values("median")
    least, best = last.iloc[0], last.iloc[-1]
    text = (
        f"With {most:g} asked for at once, {best['runtime']} gets through {style.number(best['median'])} lives a second"
    )
    if least["runtime"] != best["runtime"]:
        text += f", {least['runtime']} through {style.number(least['median'])}"
    alone = rates[(rates["count"] == rates["count"].min()) & (rates["runtime"] == best["runtime"])]["median"]
    if most > rates["count"].min() and len(alone):
        text += f"; one at a time, {best['runtime']} gets through {style.number(float(alone.iloc[0]))}"
    return text + "."

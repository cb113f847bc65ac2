"""What a call costs under a filter, by the filter's length: where the kernel must run it, and where it need not."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from labkit.bench.filter_price import ARGUMENT, CONSTANT, DEFAULT, NONE, as_observations
from labkit.errors import LabkitError
from labkit.plots import style
from labkit.stats import RatioToBaseline

_COLOURS = {ARGUMENT: style.COLD, CONSTANT: style.WARM}
_MARKERS = {ARGUMENT: "D", CONSTANT: "o"}


def filter_price(frame: pd.DataFrame) -> Figure:
    """Median time of getpid(2) over the instructions that the filter has on its way, with 95 % intervals.

    `frame`: what `labkit.bench.filter_price.measure` gives.
    """
    rows = frame[frame["kind"].isin(_COLOURS)]
    if rows.empty:
        raise LabkitError("no price of a filter can be drawn: none was measured", "measure with a list of lengths")
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 4.2)
        sns.lineplot(
            rows, x="executed", y="value", hue="kind", style="kind", palette=_COLOURS, markers=_MARKERS, dashes=False,
            estimator=np.median, errorbar=("ci", 95), n_boot=1000, seed=1, err_style="bars", ax=axes,
        )  # fmt: skip
        bare = float(frame.loc[(frame["kind"] == NONE), "value"].median())
        axes.axhline(bare, color=style.BASELINE, linewidth=1.2, zorder=0)
        axes.annotate("no filter", (rows["executed"].min(), bare), (0, -12), textcoords="offset points",
                      color=style.BASELINE, fontsize="small")  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
        axes.set_xlabel("BPF instructions on the way to the answer (log scale)")
        axes.set_ylabel("CPU time of getpid, ns (log scale)")
        axes.legend(title="a list of rules that …", frameon=False)
    return figure


def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """The price of each filter as a ratio to the same call without one, with a 95 % interval; by kind and length."""
    found = RatioToBaseline(NONE)(as_observations(frame))
    about = frame.drop_duplicates("treatment").set_index("treatment")
    rows = found[found["runtime"] != NONE].copy()
    rows["kind"] = rows["runtime"].map(about["kind"])
    rows["executed"] = rows["runtime"].map(about["executed"])
    return rows.sort_values(["kind", "executed"], ignore_index=True)


def sentence(frame: pd.DataFrame) -> str:
    """What one instruction costs where the filter runs, whether the length matters where it need not, and the default.

    By medians of the shortest and the longest list.
    """
    per, grown = {}, {}
    for kind in _COLOURS:
        medians = frame[frame["kind"] == kind].groupby("executed")["value"].median()
        if len(medians) < 2:
            return "Too few lengths were measured to say what a rule costs."
        few, many = medians.index.min(), medians.index.max()
        per[kind] = (medians[many] - medians[few]) / (many - few)
        grown[kind] = medians[many] / medians[few]
    text = (
        f"Where the filter looks at an argument, an instruction on the way costs {style.number(per[ARGUMENT])} ns, and "
        f"the longest list makes the call {style.number(grown[ARGUMENT])} times as dear as the shortest; where the "
        f"number alone decides, {style.number(grown[CONSTANT])} times"
    )
    text += (
        ": the kernel knows the answer beforehand and does not run the filter."
        if grown[CONSTANT] < 1 + (grown[ARGUMENT] - 1) / 4
        else ": this kernel runs the filter for both."
    )
    rows = ratios(frame)
    for row in rows[rows["runtime"] == DEFAULT].to_dict("records"):
        span = f" ({style.number(row['low'])} to {style.number(row['high'])})" if row["low"] == row["low"] else ""
        text += (
            f" Under the default profile getpid takes {style.number(row['ratio'])} times{span} what it takes without."
        )
    return text

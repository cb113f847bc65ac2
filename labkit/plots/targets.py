"""How the engine stands to what it is held to: a dot with its interval, beside the range that is wanted."""

from collections.abc import Hashable, Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from labkit.errors import LabkitError
from labkit.plots import style


def targets(found: pd.DataFrame) -> Figure:
    """A row per target that was measured; `found` is what `labkit.stats.Targets` gives."""
    rows = found[found["n"] > 0].reset_index(drop=True)
    # A difference can be none, or less, which a logarithmic axis has no place for.
    for name in ("ratio", "low", "high"):
        rows[name] = rows[name].clip(lower=rows["bound"] / 20)
    if rows.empty:
        raise LabkitError("no target can be drawn: none was measured with its baseline", "measure with: labkit bench")
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 1.3 + 0.5 * len(rows))
        bars = [
            (rows["ratio"] - rows["low"]).clip(lower=0).fillna(0),
            (rows["high"] - rows["ratio"]).clip(lower=0).fillna(0),
        ]
        axes.errorbar(
            rows["ratio"], list(rows.index), xerr=bars, fmt="o", color=style.WARM, markersize=6, capsize=3, zorder=3
        )
        axes.set_xlim(
            0.7 * rows[["ratio", "low", "bound"]].min().min(), 1.45 * rows[["ratio", "high", "bound"]].max().max()
        )
        style.log_ratio_axis(axes)
        left, right = axes.get_xlim()
        for place, row in enumerate(rows.to_dict("records")):
            ends = (row["bound"], right) if row["at_least"] else (left, row["bound"])
            axes.barh(place, ends[1] - ends[0], left=ends[0], height=0.6, color=style.BASELINE, alpha=0.15, zorder=1)
            axes.plot([row["bound"]] * 2, [place - 0.3, place + 0.3], color=style.BASELINE, linewidth=1.6, zorder=2)
            axes.annotate(style.number(row["ratio"]), (row["ratio"], place), (0, 7), textcoords="offset points",
                          ha="center", fontsize="x-small", color=style.WARM, zorder=4,
                          path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip
        axes.axvline(1, color="#aaaaaa", linewidth=0.8, zorder=0)
        axes.set_yticks(range(len(rows)), [f"{row['what']}\n{pair(row)}" for row in rows.to_dict("records")])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        figure.supxlabel("ratio (log scale); bars: 95 % interval; green: what is wanted", fontsize="medium")
    return figure


def pair(row: Mapping[Hashable, object]) -> str:
    """`labkit-oci ÷ runc`."""
    return f"{row['runtime']} ÷ {row['baseline']}"


def sentence(found: pd.DataFrame) -> str:
    """How many targets are met, and which are not."""
    measured = found[found["n"] > 0]
    met = measured["verdict"].str.startswith("met")
    text = f"{int(met.sum())} of {len(measured)} measured targets are met."
    missed = [
        f"{row['what']}, {pair(row)}, is {style.number(row['ratio'])} where "
        f"{style.number(row['bound'])} at {'least' if row['at_least'] else 'most'} is wanted"
        for row in measured[~met].to_dict("records")
    ]
    if missed:
        text += f" Not met: {'; '.join(missed)}."
    close = measured["verdict"].str.contains("interval").sum()
    if close:
        text += f" For {close} the interval does not decide."
    unmeasured = len(found) - len(measured)
    return text + (f" {unmeasured} could not be measured." if unmeasured else "")

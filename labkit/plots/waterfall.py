"""From the bare sandbox to the full one: a bar for what each mechanism adds, and one for what they add together."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style
from labkit.stats.contribution import ALONE, OUT, REST, WHOLE

_SIDES = (ALONE, OUT)
# Costs, savings, what is not explained: each is also told by its place, and by its sign.
_DEARER, _CHEAPER, _NEITHER = style.COLD, style.WARM, "#b0b0b0"
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def waterfall(contributions: pd.DataFrame, condition: str, metric: str) -> Figure:
    """A panel per side, a bar per mechanism that begins where the one above ended, with a 95 % interval at its end.

    `contributions`: what `labkit.stats.Contribution` gives, in s. Grey is a contribution whose interval holds 0.
    The order is that of the first side's contributions, the largest first.
    """
    rows = of(contributions, condition, metric)
    sides = [side for side in _SIDES if side in set(rows["side"])]
    first = rows[rows["side"] == sides[0]]
    parts = list(first[~first["part"].isin([REST, WHOLE])].sort_values("value", ascending=False)["part"])
    parts += [name for name in dict.fromkeys(rows["part"]) if name not in (*parts, REST, WHOLE)]
    order = [*parts, REST, WHOLE]
    scale, unit = unit_of(float(rows.loc[rows["part"] == WHOLE, "value"].abs().max()))
    with style.styled():
        figure, panels = style.new_figure(4.2 * len(sides) + 1.4, 1.4 + 0.36 * len(order), len(sides))
        for axes, side in zip(panels, sides, strict=True):
            _panel(axes, rows[rows["side"] == side], order, scale)
            axes.set_title(side, fontsize="medium")
        panels[0].set_yticks(range(len(order)), order)
        panels[0].set_ylim(len(order) - 0.4, -0.6)
        figure.supxlabel(f"{_what(metric)}, difference to the bare sandbox in {unit}; bars: 95 % interval",
                         fontsize="medium")  # fmt: skip
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, order: list[str], scale: float) -> None:
    reached, ends = 0.0, [0.0]
    for row in sorted(rows.to_dict("records"), key=lambda row: order.index(row["part"])):
        place, part = order.index(row["part"]), row["part"]
        value, low, high = (row[name] / scale for name in ("value", "low", "high"))
        start = 0.0 if part == WHOLE else reached
        told = low > 0 or high < 0
        colour = style.BASELINE if part == WHOLE else _NEITHER if not told else _DEARER if value > 0 else _CHEAPER
        axes.barh(place, value, left=start, height=0.62, color=colour, hatch="///" if part == REST else None,
                  edgecolor="white", zorder=2)  # fmt: skip
        if low == low:
            axes.errorbar(start + value, place, xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], fmt="none",
                          color="#333333", capsize=3, linewidth=1.1, zorder=4)  # fmt: skip
        reached = start + value
        ends.append(reached)
        if part not in (WHOLE, REST):
            axes.plot([reached, reached], [place + 0.31, place + 0.69], color="#888888", linewidth=0.8, zorder=3)
    axes.axvline(0, color="#333333", linewidth=1, zorder=1)
    # An interval may be so wide that the bars would vanish beside it: it is then cut off, and its text has its ends.
    span = (max(ends) - min(ends)) or 1.0
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, min(ends) - span), min(high, max(ends) + span))
    axes.grid(visible=False, axis="y")


def of(contributions: pd.DataFrame, condition: str, metric: str) -> pd.DataFrame:
    """The rows of one condition and metric; LabkitError when there are none."""
    rows = contributions[(contributions["condition"] == condition) & (contributions["metric"] == metric)]
    if rows.empty:
        raise LabkitError(
            f"no contribution to {metric} of {condition} can be drawn: it was not measured",
            "measure with: labkit reproduce, as root",
        )
    return rows


def unit_of(seconds: float) -> tuple[float, str]:
    """The unit in which a time is best read, and how many s it is."""
    return next(((scale, unit) for scale, unit in _UNITS if abs(seconds) >= scale), _UNITS[-1])


def amount(seconds: float) -> str:
    """A difference of times with three significant digits, in the unit in which it is best read."""
    scale, unit = unit_of(seconds)
    return f"{'−' if seconds < 0 else ''}{style.number(abs(seconds) / scale)} {unit}"


def _what(metric: str) -> str:
    return "time of one operation" if metric == "throughput" else style.METRIC_WORDS.get(metric, metric)


def sentence(contributions: pd.DataFrame, condition: str, metric: str) -> str:
    """What all cost together, which mechanisms alone cost most, and whether their sum explains the whole."""
    rows = of(contributions, condition, metric)
    texts: list[str] = []
    for side in (side for side in _SIDES if side in set(rows["side"])):
        own = {str(row["part"]): row for row in rows[rows["side"] == side].to_dict("records")}
        whole, rest = own.pop(WHOLE), own.pop(REST)
        if not texts:
            texts.append(f"{condition}, {_what(metric)}: all mechanisms together add {_with_interval(whole)}.")
        if whole["low"] != whole["low"]:
            texts.append(f"{whole['n']} blocks are too few for intervals: which mechanism adds it is not decided.")
            break
        parts = sorted(own.values(), key=lambda row: -row["value"])
        dear = [row for row in parts if row["low"] > 0][:3]
        few = (
            style.list_in_words(f"{row['part']} {_with_interval(row)}" for row in dear)
            if dear
            else "none that can be told from 0"
        )
        texts.append(f"{side[0].upper()}{side[1:]}, of {len(parts)} mechanisms the dearest are {few}.")
        if cheap := sum(row["high"] < 0 for row in parts):
            texts.append(f"{cheap} make it cheaper.")
        texts.append(
            f"Their sum cannot be told from the whole: what is left is {_with_interval(rest)}."
            if rest["low"] <= 0 <= rest["high"]
            else f"Their sum does not explain the whole: {_with_interval(rest)} comes of their being together."
        )
    return " ".join(texts)


def _with_interval(row: Mapping[Hashable, Any]) -> str:
    text = amount(row["value"])
    return text if row["low"] != row["low"] else f"{text} ({amount(row['low'])} to {amount(row['high'])})"

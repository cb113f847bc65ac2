"""Single measurements of a few kinds of thing beside each other, with the median of each: nothing is averaged away."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from labkit.plots import style


def strips(frame: pd.DataFrame, label: str) -> Figure:
    """A point per row of `frame` (kind, value), a line of the kind's median; `label` names the values and their unit.

    Kinds stand in their order of appearance, on a logarithmic axis.
    """
    kinds = list(dict.fromkeys(frame["kind"]))
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 0.9 + 0.42 * len(kinds))
        sns.stripplot(data=frame, x="value", y="kind", order=kinds, ax=axes, color=style.WARM, alpha=0.55, size=4.5,
                      jitter=0.18)  # fmt: skip
        for row, kind in enumerate(kinds):
            middle = frame["value"][frame["kind"] == kind].median()
            axes.plot([middle, middle], [row - 0.32, row + 0.32], color=style.COLD, linewidth=2)
        style.log_ratio_axis(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("")
    return figure


def in_words(frame: pd.DataFrame, unit: str) -> str:
    """The median of the first kind, and the others' as multiples of it."""
    medians = frame.groupby("kind", sort=False)["value"].median()
    first, *others = medians.index
    base = medians[first]
    parts = [f"{style.number(medians[kind] / base)} times that with {kind}" for kind in others]
    rest = f"; {style.list_in_words(parts)}" if parts else ""
    return f"The median is {style.number(base)} {unit} with {first}{rest}."

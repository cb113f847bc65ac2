"""Which capability opens which door: a row for each attempt, a column for each capability that a process has alone."""

import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from labkit.errors import LabkitError
from labkit.plots import style

NOTHING = "none"
_CLOSED, _OPEN = "#f2f2f2", style.WARM


def matrix(frame: pd.DataFrame) -> pd.DataFrame:
    """Attempts by what was given, in the order of the rows: True where it was let through.

    `frame` is what `labkit.nb.capabilities.measure` gives.
    """
    order = list(dict.fromkeys(frame["capability"]))
    given = [name for name in dict.fromkeys(frame["given"]) if name == NOTHING or name in order]
    return frame.pivot(index="capability", columns="given", values="permitted").loc[order, given].astype(bool)


def attempts(frame: pd.DataFrame) -> Figure:
    """The matrix: a filled cell is an attempt that was let through; the diagonal is each capability's own."""
    if frame.empty:
        raise LabkitError("no attempt can be drawn: none was possible here", "run as root, or see what was not shown")
    whole = matrix(frame)
    with style.styled():
        figure, (axes,) = style.new_figure(2.6 + 0.24 * whole.shape[1], 1.9 + 0.24 * whole.shape[0])
        sns.heatmap(
            whole.astype(int), cmap=ListedColormap([_CLOSED, _OPEN]), vmin=0, vmax=1, cbar=False, linewidths=0.6,
            linecolor="white", square=True, ax=axes,
            xticklabels=[_short(name) for name in whole.columns], yticklabels=[_short(name) for name in whole.index],
        )  # fmt: skip
        axes.set_xlabel("the only capability that the process has")
        axes.set_ylabel("what is attempted, by the capability it is for")
        axes.tick_params(axis="x", labelrotation=90, labelsize="x-small", length=0)
        axes.tick_params(axis="y", labelrotation=0, labelsize="x-small", length=0)
        handles = [Patch(color=_OPEN, label="let through"), Patch(color=_CLOSED, label="refused")]
        figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False)
    return figure


def _short(name: str) -> str:
    return name.removeprefix("CAP_")


def sentence(frame: pd.DataFrame) -> str:
    """How many attempts show their capability at work, and which capability opens the most besides its own."""
    if frame.empty:
        return "No attempt was possible here."
    whole = matrix(frame)
    bare = whole[NOTHING]
    named = [str(name) for name in whole.index if name in whole.columns]
    shown = [name for name in named if whole.loc[name, name] and not bare[name]]
    text = f"{len(shown)} of {len(named)} attempts are refused without any capability and let through with their own."
    free = [_short(name) for name in named if bare[name]]
    if free:
        text += f" Let through without any, on this host: {style.list_in_words(free)}."
    in_vain = [_short(name) for name in named if not whole.loc[name, name]]
    if in_vain:
        text += f" Refused even with it: {style.list_in_words(in_vain)}; it counts in the first user namespace only."
    besides = {
        name: [other for other in whole.index if other != name and whole.loc[other, name] and not bare[other]]
        for name in named
    }
    widest = max(besides, key=lambda name: len(besides[name]), default="")
    if widest and besides[widest]:
        opened = style.list_in_words(_short(name) for name in besides[widest])
        text += f" {_short(widest)} opens the most doors of others: {opened}."
    return text

"""How many mounts a container's process sees while it is made, step by step."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from labkit.plots import style

# The step that exchanges the host's mounts for the container's.
_EXCHANGE = "PivotRoot"


def by_step(frame: pd.DataFrame) -> Figure:
    """A stepped line of `mounts` over `number`, the step at which the host's mounts go marked by a line and its name.

    `frame` has a row for each step: number, step, mounts.
    """
    with style.styled():
        figure, (axes,) = style.new_figure(7.5, 3.0)
        sns.lineplot(frame, x="number", y="mounts", drawstyle="steps-post", color=style.WARM, ax=axes)
        marked = frame.loc[frame["step"] == _EXCHANGE, "number"]
        for number in marked:
            axes.axvline(number, color=style.COLD, linestyle="--", linewidth=1)
            axes.annotate(
                _EXCHANGE, (number, axes.get_ylim()[0]), xytext=(4, 6), textcoords="offset points", color=style.COLD
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step of the plan (number)")
        axes.set_ylabel("mounts it sees (number)")
    return figure


def sentence(frame: pd.DataFrame) -> str:
    """With how many mounts it begins, how many there are at most, and how many are left."""
    first, last = frame.iloc[0], frame.iloc[-1]
    most = frame.iloc[int(frame["mounts"].argmax())]
    return (
        f"The process begins with a copy of the host's {first['mounts']} mounts, has {most['mounts']} after step "
        f"{most['number']} ({most['step']}), and ends with {last['mounts']}, all of them its own."
    )

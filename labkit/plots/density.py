"""What a start costs while more and more containers live: a dot per start."""

import pandas as pd
from matplotlib.figure import Figure

from labkit.bench.engine import EDGE
from labkit.plots import style
from labkit.stats import Growth

# What is wanted: the last over the first; other processes than the containers' own, and their memory in bytes.
RATIO, PROCESSES, MEMORY = 1.5, 1, 20e6


def density(observations: pd.DataFrame) -> Figure:
    """Start time in ms over the number that live already, with a running median of all series."""
    starts = observations[observations["metric"] == "start"].sort_values("block")
    times = 1000 * starts["value"]
    with style.styled():
        figure, (axes,) = style.new_figure(7.2, 3.2)
        axes.plot(starts["block"], times, "o", color=style.WARM, markersize=2.5, alpha=0.5, markeredgewidth=0)
        middle = times.groupby(starts["block"]).median().rolling(EDGE, center=True, min_periods=1).median()
        axes.plot(middle.index, middle, color="black", linewidth=1.5)
        axes.set_ylim(0, 1.1 * float(times.quantile(0.99)))
        axes.set_xlabel("containers alive already")
        axes.set_ylabel("start, ms; black: running median")
    return figure


def sentence(observations: pd.DataFrame) -> str:
    """The growth with its interval, the processes that keep the containers and their memory, each with its target."""
    growth = Growth()(observations)
    counted = observations.groupby("metric")["value"].max()
    others, memory = int(counted["other_processes"]), float(counted["other_memory"])
    edge = min(EDGE, int(growth["n"]))
    span = f"{style.number(growth['low'])} to {style.number(growth['high'])}" if growth["series"] > 1 else "one series"
    return (
        f"Of {growth['n']:.0f} containers alive at once, the last {edge} took {style.number(growth['ratio'])} ({span}) "
        f"times what the first {edge} took to start ({_met(growth['ratio'] <= RATIO)}: at most {RATIO} is wanted). "
        f"{'1 process' if others == 1 else f'{others} processes'} beside the containers' own "
        f"({_met(others <= PROCESSES)}: no helper for each container) held {memory / 1e6:.1f} MB of memory, shared "
        f"pages by their part ({_met(memory < MEMORY)}: less than {MEMORY / 1e6:.0f} MB)."
    )


def _met(good: bool) -> str:
    return "met" if good else "missed"

"""Who reaches whom: a square of yes and no, with the networks that explain it."""

import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from labkit.plots import style


def reach(frame: pd.DataFrame) -> Figure:
    """`frame` has a row per pair (source, target, source_network, target_network, reached)."""
    names = {row["source"]: f"{row['source']}\n({row['source_network']})" for row in frame.to_dict("records")}
    order = list(names)
    square = frame.pivot(index="source", columns="target", values="reached").loc[order, order]
    words = square.map(lambda reached: "yes" if reached else "no")
    with style.styled():
        figure, (axes,) = style.new_figure(1.6 + 1.05 * len(order), 0.9 + 0.62 * len(order))
        colours = ListedColormap(["#f0f0f0", style.WARM])
        sns.heatmap(square.astype(int), annot=words, fmt="", cmap=colours, vmin=0, vmax=1, cbar=False, linewidths=2,
                    linecolor="white", ax=axes)  # fmt: skip
        axes.set_xticklabels([names[name] for name in order], rotation=0)
        axes.set_yticklabels([names[name] for name in order], rotation=0)
        axes.set_xlabel("is reached")
        axes.set_ylabel("reaches")
    return figure


def in_words(frame: pd.DataFrame) -> str:
    """Whether networks explain it: how many of the pairs on one network, and on two, reach each other."""
    pairs = frame[frame["source"] != frame["target"]]
    together = pairs["source_network"] == pairs["target_network"]
    same, apart = pairs["reached"][together], pairs["reached"][~together]
    return (
        f"Of {len(same)} pairs on one network {same.sum()} reach each other, "
        f"of {len(apart)} on two different ones {apart.sum() or 'none'}."
    )

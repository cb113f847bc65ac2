"""Where the time of a container's start goes: one bar for each step, from top to bottom in the order of the steps."""

from collections.abc import Iterable

import pandas as pd
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style

# (parent or child, step, begin, end), the times in ns.
Span = tuple[str, str, int, int]
# Who does it: colour and hatch.
LOOKS = {"parent": ("#0072B2", ""), "child": ("#D55E00", "//")}
COLUMNS = ("who", "step", "count", "begin", "end", "took")


def runs(spans: Iterable[Span]) -> pd.DataFrame:
    """A row for each run of like steps: begin and end in µs after the first, `took` the sum of the steps alone."""
    rows = sorted(spans, key=lambda span: span[2])
    if not rows:
        raise LabkitError("no step was traced", "start the container with trace=True")
    start = rows[0][2]
    merged: list[tuple[str, str, int, float, float, float]] = []
    for who, step, began, ended in rows:
        begin, end = (began - start) / 1000, (ended - start) / 1000
        if merged and merged[-1][:2] == (who, step):
            _, _, count, first, _, took = merged.pop()
            merged.append((who, step, count + 1, first, end, took + end - begin))
        else:
            merged.append((who, step, 1, begin, end, end - begin))
    return pd.DataFrame(merged, columns=list(COLUMNS))


def timeline(spans: Iterable[Span]) -> Figure:
    """The runs as bars over microseconds, the parent's and the child's in two colours and hatches."""
    rows = runs(spans)
    with style.styled():
        figure, (axes,) = style.new_figure(8.0, 1.2 + 0.2 * len(rows), 1)
        for who, (colour, hatch) in LOOKS.items():
            own = rows[rows["who"] == who]
            axes.barh(own.index, own["end"] - own["begin"], left=own["begin"], color=colour, hatch=hatch,
                      edgecolor="white", linewidth=0.3, label=who, height=0.75)  # fmt: skip
        labels = [str(row["step"]) + f" ×{row['count']}" * (row["count"] > 1) for row in rows.to_dict("records")]
        axes.set_yticks(range(len(rows)), labels, fontsize="small")
        axes.invert_yaxis()
        axes.set_xlabel("time since the first step (µs)")
        axes.legend(loc="lower left", frameon=False)
        axes.grid(visible=False, axis="y")
    return figure


def sentence(spans: Iterable[Span]) -> str:
    """How long the whole took, and the three kinds of step that took most of it."""
    rows = runs(spans)
    whole = float(rows["end"].max())
    dearest = rows.groupby("step")["took"].sum().sort_values(ascending=False).head(3)
    named = style.list_in_words(f"{step} ({took:.0f} µs)" for step, took in dearest.items())
    return f"The program ran {whole:.0f} µs after the first step began; most of that went into {named}."

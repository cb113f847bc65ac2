"""Tables and figures as a notebook and the site show them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape

import pandas as pd
from IPython.display import HTML, SVG, Markdown, display
from matplotlib.figure import Figure

from labkit.errors import LabkitError
from labkit.plots import style

# Unicode's line separator, which HTML has no use for.
_LINE = "\u2028"


def table(frame: pd.DataFrame) -> HTML:
    """A data frame as a plain table without its index; missing values are empty cells, lines of a cell stay lines."""
    shown = frame.rename(columns={name: str(name).replace("_", " ") for name in frame.columns})
    # pandas would write the two characters \\n.
    shown = shown.map(lambda value: value.replace("\n", _LINE) if isinstance(value, str) else value)
    with pd.option_context("display.max_colwidth", None):
        text = shown.to_html(index=False, border=0, classes="dataframe", na_rep="", justify="left")
    return HTML(text.replace(_LINE, "<br>").replace("<th>", '<th scope="col">'))


def say(*sentences: str) -> None:
    """Sentences that were made from the data, as a paragraph; none where there is nothing to say."""
    if text := " ".join(sentences).strip():
        display(Markdown(text))


def show(figure: Figure, *sentences: str) -> None:
    """A figure as SVG and, under it, what is to be seen in it."""
    display(SVG(style.svg(figure)))
    say(*sentences)


def labelled(figure: Figure, words: str) -> str:
    """A figure as SVG within a page, with the words that a screen reader says for it."""
    picture = style.svg(figure)
    # What stands before the element is for files of their own.
    return picture[picture.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{escape(words)}"', 1)


def drawn(figure: Figure, words: str) -> str:
    """HTML of a figure and, under it, what is to be seen in it."""
    caption = f"<figcaption>{escape(words)}</figcaption>"
    return f'<figure style="margin: 0">{labelled(figure, words)}{caption}</figure>'


@contextmanager
def or_say_why() -> Iterator[None]:
    """A block that ends at the first thing that cannot be shown on this host, with one line that says why."""
    try:
        yield
    except LabkitError as error:
        say(f"Cannot be shown here: {escape(str(error))}")


@contextmanager
def refusal() -> Iterator[None]:
    """A block that is meant to be refused, with the line that says why."""
    try:
        yield
    except LabkitError as error:
        say(f"Refused: {escape(str(error))}")
    else:
        say("It was not refused.")


def report(text: str) -> HTML:
    """Text of a program as it stands, line by line, scrolled rather than wrapped."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return HTML(f'<pre class="report">{escaped}</pre>')


def interval(low: object, high: object) -> str:
    """`0.31 to 0.35`, or a dash where there is no interval."""
    if not isinstance(low, float) or not isinstance(high, float) or low != low or high != high:
        return "–"
    return f"{style.number(low)} to {style.number(high)}"


def ratio_table(ratios: pd.DataFrame, condition: str, metric: str) -> HTML:
    """Median and ratios to each baseline with intervals, a row per runtime, fastest first."""
    rows = ratios[(ratios["condition"] == condition) & (ratios["metric"] == metric)].sort_values("median")
    lines = []
    for runtime, group in rows.groupby("runtime", sort=False):
        line = {
            "runtime": runtime,
            "blocks": int(group["n"].max()),
            "median": style.milliseconds(float(group["median"].iloc[0])),
        }
        for row in group.to_dict("records"):
            span = interval(row["low"], row["high"])
            line[f"÷ {row['baseline']} (95 % interval)"] = f"{style.number(row['ratio'])} ({span})"
        lines.append(line)
    return table(pd.DataFrame(lines))


def cold_table(cold: pd.DataFrame, metric: str) -> HTML:
    """What ColdOverWarm gives for one metric, dearest first."""
    rows = cold[cold["metric"] == metric].sort_values("ratio", ascending=False)
    lines = [
        {
            "runtime": row["runtime"],
            "cold": style.milliseconds(row["cold"]),
            "warm": style.milliseconds(row["warm"]),
            "cold ÷ warm": style.number(row["ratio"]),
            "95 % interval": interval(row["low"], row["high"]),
            "blocks": f"{row['n_cold']} cold, {row['n_warm']} warm",
        }
        for row in rows.to_dict("records")
    ]
    return table(pd.DataFrame(lines)) if lines else HTML("<p>Nothing was measured both cold and warm.</p>")


def missing_table(missing: pd.DataFrame) -> HTML:
    """What Missing gives, or a line that nothing is missing."""
    if missing.empty:
        return HTML("<p>Every runtime was available, and no trial failed.</p>")
    shown = missing.assign(trials=["none begun" if row == "unavailable" else "" for row in missing["status"]])
    shown["trials"] = shown["trials"].where(shown["trials"] != "", missing["trials"].astype(str))
    return table(shown)


def stability_table(stability: pd.DataFrame) -> HTML:
    """The series that Stability warns of, with the warning, or a line that there are none."""
    rows = stability[stability["warning"] != ""]
    if rows.empty:
        return HTML("<p>No series is unstable.</p>")
    shown = rows[["condition", "metric", "runtime", "n", "warning"]]
    return table(shown.assign(metric=[name.replace("_", " ") for name in shown["metric"]]))


def facts_table(facts: Mapping[str, object]) -> HTML:
    """The facts of a host as two columns."""
    return table(pd.DataFrame([(_fact(name), _value(name, facts[name])) for name in facts], columns=["fact", "value"]))


def _fact(name: str) -> str:
    return {"memory_bytes": "memory", "cpus": "CPUs", "cpu": "CPU", "steal_percent": "steal"}.get(
        name, name.replace("_", " ")
    )


def _value(name: str, value: object) -> str:
    if name == "memory_bytes" and isinstance(value, int):
        return f"{value / 2**30:.1f} GiB"
    if name == "steal_percent":
        return f"{value} %"
    if name == "mitigations" and isinstance(value, Mapping):
        affected = {key: what for key, what in value.items() if what != "Not affected"}
        spared = f"; {len(value) - len(affected)} others: not affected" if len(affected) < len(value) else ""
        return "; ".join(f"{key}: {what}" for key, what in affected.items()) + spared
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {what}" for key, what in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(f"{one:.2f}" if isinstance(one, float) else str(one) for one in value)
    return "not known" if value in (None, "") else str(value)

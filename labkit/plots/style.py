"""How all figures look, and the order, colour and marker of each runtime and condition."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil

import matplotlib as mpl
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

# Okabe and Ito, Color Universal Design, 2008.
WARM, COLD, BASELINE, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
CONDITIONS = {"warm": (WARM, "o"), "cold": (COLD, "D")}

# Markers are round for the host's kernel, angular for another.
RUNTIMES = {
    "host": ("#000000", "o"),
    "labkit": ("#009E73", "o"),
    "crun": ("#56B4E9", "h"),
    "runc": ("#0072B2", "8"),
    "runc-again": ("#767676", "8"),
    "runsc-systrap": ("#E69F00", "^"),
    "runsc-ptrace": ("#D55E00", "v"),
    "runsc-kvm": ("#CC79A7", "<"),
    "microvm": ("#7A5C00", "s"),
}
# For what is not named above, in the order of its appearance.
OTHERS = (("#332288", "D"), ("#882255", "P"), ("#117733", "X"), ("#999933", "*"))

METRIC_WORDS = {
    "first_instruction": "time to the first instruction",
    "whole_life": "time of the whole life",
    "create_start_delete": "time of create, start and delete",
    "state": "time of state",
    "throughput": "containers per second",
    "filter_compiled": "time to compile the default filter",
    "filter_cached": "time to find the default filter in the cache",
    "security_adds": "time that the default security adds",
}


@contextmanager
def styled() -> Iterator[None]:
    """Seaborn's paper style with the font that matplotlib itself brings, so that a figure is the same everywhere."""
    with mpl.rc_context(), sns.axes_style("whitegrid"), sns.plotting_context("notebook", font_scale=0.85):
        mpl.rcParams["font.family"] = "DejaVu Sans"
        mpl.rcParams["grid.color"] = "#e4e4e4"
        yield


# As many panels in a line as a page shows legibly.
COLUMNS = 4


def new_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure (inches) of `columns` axes that share their rows; it is known to no window or notebook.

    pyplot keeps what it makes until it is closed, and an inline backend shows it once more.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, sharey=True, squeeze=False)
    return figure, list(axes[0])


def new_stack(width: float, height: float, rows: int) -> tuple[Figure, list[Axes]]:
    """A figure (inches) as `new_figure`, of `rows` axes below each other that share their x axis."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)
    return figure, list(axes[:, 0])


def new_panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure as `new_figure`, of `count` axes (inches each) that share their y axis, line by line."""
    columns = min(count, COLUMNS)
    lines = ceil(count / columns)
    figure = Figure(figsize=(max(5.1, width * columns), 0.6 + height * lines), layout="constrained")
    axes = list(figure.subplots(lines, columns, sharey=True, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def svg(figure: Figure) -> str:
    """The figure as SVG text, with letters as outlines; a figure drawn anew from the same data gives the same bytes."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "labkit"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def log_ratio_axis(axes: Axes) -> None:
    """A logarithmic x axis with plain numbers: 0.5, 1, 2, not 5×10⁻¹."""
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    # 1, 2, 5 in each decade is legible up to three decades; beyond, the decades alone; within one, as on a linear axis.
    if high / low < 4:
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5]))
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,)))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:g}" if value < 10_000 else f"{value / 1000:g}k")
    )
    axes.xaxis.set_minor_formatter(NullFormatter())


def looks(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each runtime, in the order in which the known ones are listed, then the others."""
    given = list(dict.fromkeys(names))
    known = {name: RUNTIMES[name] for name in RUNTIMES if name in given}
    others = [name for name in given if name not in RUNTIMES]
    return known | {name: OTHERS[place % len(OTHERS)] for place, name in enumerate(others)}


def shorten(text: str, length: int) -> str:
    """`text` in at most `length` characters."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def list_in_words(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def number(value: float) -> str:
    """A ratio with three significant digits, and no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def milliseconds(seconds: float) -> str:
    """A time in ms with three significant digits."""
    return f"{number(seconds * 1000)} ms"

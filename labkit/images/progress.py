"""How far a build is: a bar on a terminal (with `rich`), plain lines elsewhere, or nothing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Tells the fraction done (0 to 1) and what is being done now.
Report = Callable[[float, str], None]


def silent(fraction: float, text: str) -> None:
    """A report that nobody reads."""


@contextmanager
def reporting(title: str, shown: bool) -> Iterator[Report]:
    """Yield the function that a build tells its progress to; on stderr, so that stdout stays clean for pipes."""
    if not shown:
        yield silent
    elif sys.stderr.isatty() and _has_rich():
        with _bar(title) as report:
            yield report
    else:
        with _lines(title) as report:
            yield report


def _has_rich() -> bool:
    # rich belongs to the `study` extra; the bare engine builds images without it.
    try:
        import rich.progress  # noqa: F401
    except ImportError:
        return False
    return True


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=1.0, now="")

        def report(fraction: float, text: str) -> None:
            progress.update(task, completed=fraction, now=text)

        yield report


@contextmanager
def _lines(title: str) -> Iterator[Report]:
    said = ""

    def report(fraction: float, text: str) -> None:
        # A line for each thing done, not for each step of it: a log is read by people.
        nonlocal said
        if text != said:
            print(f"{title}: {text} ({fraction:.0%})", file=sys.stderr, flush=True)
            said = text

    yield report

"""Measure, execute the notebooks and build the site; the last line printed is the path of its first page."""

from __future__ import annotations

import sys
from contextlib import contextmanager

from labkit.errors import LabkitError, MissingError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from labkit.nb.profiles import Profile

# A pace is told after so many seconds.
_TELLING = 3.0
# The notebooks that show the study.
STUDY = ("22-syscalls", "23-cpu-memory", "24-files", "25-network", "26-applications", "27-footprint", "30-synthesis")

USAGE = """usage: labkit reproduce [--profile quick|full] [--run NAME] [--fresh] [--only NOTEBOOK]… [--output DIR]

--profile NAME    how much is measured: quick (default, a quarter of an hour) or full (the study, an hour)
--run NAME        the run's folder below data/runs, or a path; by default one named after the profile
--fresh           begin another run, rather than going on with the last
--only NOTEBOOK   execute this notebook alone, such as 20-startup or 20; may be repeated
--output DIR      where the site goes; by default docs/_build/html

A run that was interrupted, or is complete, is gone on with: what was measured is not measured again. A run is of one
host and one version of labkit; without --run, another host or version begins another.
"""


def main(argv: list[str]) -> int:
    """`labkit reproduce`; 0 when everything could be shown, 1 when a notebook says what could not."""
    options = _options(argv)
    if options is None:
        return 0
    values, only, fresh = options
    try:
        from labkit.nb import places, site, startup
        from labkit.nb.choose import choose
        from labkit.nb.profiles import profile
    except ModuleNotFoundError as error:
        raise lacking(error) from error

    chosen = profile(values.get("profile", "quick"))
    notebooks = _chosen(places.notebooks(), only)
    output = site_folder(values.get("output"))
    site.check_replaceable(output)
    run = choose(chosen.name, values.get("run"), fresh)
    print(f"labkit: run {run.name} ({chosen.name}), in {run}", file=sys.stderr)
    shown = {notebook.stem for notebook in notebooks}
    for title, measure, stems, budget in _experiments(chosen):
        if shown.isdisjoint(stems):
            continue
        with counted(title, budget) as report:
            for note in measure(run, chosen, progress=report):
                print(f"labkit: {note}", file=sys.stderr)
    startup.read(run)  # without observations there is nothing to show, and it is better said now
    counts = {"repeats": chosen.repeats, "windows": chosen.windows}
    parameters = {"run_name": f"{run}/", "profile": chosen.name, "measure": False, **counts}
    with counted("notebooks") as report:
        failures = site.execute(notebooks, run / "notebooks", parameters, cells_told(report, len(notebooks)))
    with counted("site") as report:
        report(0, 1, "rendering")
        index = site.build(run, output)
        report(1, 1, "rendered")
    for failure in failures:
        print(f"labkit: {failure.message}", file=sys.stderr)
    print(index, flush=True)
    return 1 if failures else 0


def _experiments(profile: Profile) -> tuple[tuple[str, Callable[..., list[str]], tuple[str, ...], float], ...]:
    """In the order of measuring: title, what measures and returns notes, the notebooks that show it, its budget in s.

    A budget of 0 has no end.
    """
    from labkit.nb import ablation, engine, isolation, lives, startup, study

    return (
        ("start-up", startup.measure, ("20-startup",), 0.0),
        ("engine", engine.measure, ("21-engine-bench",), 0.0),
        ("lives", lives.measure, ("20-startup", "27-footprint"), 0.0),
        ("study", study.measure, STUDY, profile.budget),
        ("isolation", isolation.measure, ("28-isolation",), profile.isolation_budget),
        ("ablation", ablation.measure, ("29-ablation",), profile.ablation_budget),
    )


def _options(argv: list[str]) -> tuple[dict[str, str], list[str], bool] | None:
    """Values by name, the notebooks of --only, and --fresh; None when help was asked for, which is then printed."""
    from getopt import GetoptError, gnu_getopt

    try:
        pairs, rest = gnu_getopt(argv, "h", ["help", "profile=", "run=", "fresh", "only=", "output="])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit reproduce --help lists the options") from error
    if any(name in ("-h", "--help") for name, _ in pairs):
        print(USAGE, end="")
        return None
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}", "labkit reproduce --help lists the options")
    values = {name[2:]: value for name, value in pairs if name not in ("--only", "--fresh")}
    fresh = ("--fresh", "") in pairs
    if fresh and "run" in values:
        raise UsageError("--fresh and --run exclude each other", "a run that does not exist yet is fresh anyway")
    return values, [value for name, value in pairs if name == "--only"], fresh


def _chosen(notebooks: list[Path], only: list[str]) -> list[Path]:
    if not only:
        return notebooks
    chosen = []
    for word in only:
        name = word.rpartition("/")[2].removesuffix(".ipynb").removesuffix(".md")
        found = [path for path in notebooks if path.stem == name or path.stem.partition("-")[0] == name]
        if not found:
            raise LabkitError(f"no notebook {word!r}", f"there are {', '.join(path.stem for path in notebooks)}")
        chosen += found
    return sorted(set(chosen))


def site_folder(text: str | None) -> Path:
    """The folder of --output, or the default one."""
    from pathlib import Path

    from labkit.nb import places, site

    return Path(text).resolve() if text else places.repository() / site.DEFAULT_OUTPUT


def cells_told(report: Callable[[int, int, str], None], notebooks: int) -> Callable[[str, int, int], None]:
    """Progress through all notebooks, from progress through the cells of each."""
    parts: dict[str, float] = {}

    def told(notebook: str, cell: int, cells: int) -> None:
        # Several may be executed at once. A cell counts when it is begun, so that a notebook that is over counts whole.
        parts[notebook] = (cell + 1) / cells
        report(int(1000 * sum(parts.values())), 1000 * notebooks, notebook)

    return told


@contextmanager
def counted(title: str, budget: float = 0.0) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function told (done, total, text): a bar on a terminal; elsewhere a line for each tenth.

    Both tell the time that is left, where it can be reckoned; it is at most what is left of `budget` s (0: no end).
    """
    from time import monotonic

    from labkit.images.progress import reporting

    tenth = -1
    left = Left(budget)
    with reporting(title, True) as report:

        def told(done: int, total: int, text: str) -> None:
            nonlocal tenth
            before, tenth = tenth, 10 * done // max(total, 1)
            words = left.in_words(done, total, monotonic())
            if sys.stderr.isatty() or tenth != before:
                report(done / max(total, 1), f"{text}{words}")

        yield told


class Left:
    """The time that is left of a piece of work, from the pace at which it was done so far."""

    def __init__(self, budget: float = 0.0) -> None:
        self._budget = budget
        self._first: float | None = None
        self._begin = 0.0
        self._total = 0

    def in_words(self, done: int, total: int, now: float) -> str:
        """`, about 3 min left`; empty while too little was done to tell, and at the end. `now` in s."""
        self._first = now if self._first is None else self._first
        if total != self._total:
            # Another phase, with a pace of its own.
            self._total, self._begin = total, now
        took = now - self._begin
        if not 0 < done < total or took < _TELLING:
            return ""
        seconds = took * (total - done) / done
        if self._budget:
            seconds = min(seconds, max(0.0, self._budget - (now - self._first)))
        return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"


def lacking(error: ModuleNotFoundError) -> LabkitError:
    """The error for an installation without the packages of the study."""
    return MissingError(f"the Python package {error.name} is not installed", "pip install '.[site]' in the checkout")

"""Render the site from a run's stored observations; needs no root and measures nothing."""

from __future__ import annotations

from labkit.errors import LabkitError, UsageError

USAGE = """usage: labkit site [--run NAME] [--output DIR]

--run NAME     a run's folder below data/runs, or a path; by default the one measured last, and the
               reference run of the repository where nothing was measured
--output DIR   where the site goes; by default docs/_build/html

The last line printed is the path of the first page. Notebooks that the run has not executed are executed now, told not
to measure.
"""


def main(argv: list[str]) -> int:
    """`labkit site`; prints the path of index.html."""
    from getopt import GetoptError, gnu_getopt

    try:
        pairs, rest = gnu_getopt(argv, "h", ["help", "run=", "output="])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit site --help lists the options") from error
    if any(name in ("-h", "--help") for name, _ in pairs):
        print(USAGE, end="")
        return 0
    if rest:
        raise UsageError(f"unexpected argument {rest[0]!r}", "labkit site --help lists the options")
    values = {name[2:]: value for name, value in pairs}
    from labkit.cli.reproduce import cells_told, counted, lacking, site_folder

    try:
        from labkit.nb import places, site
        from labkit.nb.choose import shown
    except ModuleNotFoundError as error:
        raise lacking(error) from error

    run = places.run_folder(values["run"]) if "run" in values else shown()
    if run is None:
        raise LabkitError("nothing was measured yet", "labkit reproduce measures, as root")
    with counted("site") as report:
        report(0, 1, f"rendering run {run.name}")
        index = site.build(run, site_folder(values.get("output")), cells_told(report, len(places.notebooks())))
        report(1, 1, "rendered")
    print(index, flush=True)
    return 0

"""Pack a run's observations into one file, as the reference run is kept."""

from __future__ import annotations

from labkit.errors import UsageError

USAGE = """usage: labkit pack RUN FOLDER

Writes all observations of RUN, a run's folder below data/runs or a path, to FOLDER/observations.parquet, and what is
known of its host to FOLDER/run.json. `labkit site --run FOLDER/` and `labkit compare` read it as any run. A packed run
that FOLDER holds is replaced. The path of the file is the line printed.
"""


def main(argv: list[str]) -> int:
    """`labkit pack`; prints the path of the rows."""
    if any(word in ("-h", "--help") for word in argv):
        print(USAGE, end="")
        return 0
    if len(argv) != 2 or any(word.startswith("-") for word in argv):
        raise UsageError("labkit pack takes a run and a folder", "for example: labkit pack full data/reference")
    from labkit.cli.reproduce import lacking

    try:
        from labkit.bench.store import Run
        from labkit.nb import places
    except ModuleNotFoundError as error:
        raise lacking(error) from error

    print(Run(places.run_folder(argv[0])).pack(argv[1]), flush=True)
    return 0

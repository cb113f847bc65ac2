"""Set two runs beside each other: where their ratios to runc agree, and where they do not."""

from __future__ import annotations

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    import pandas as pd

USAGE = """usage: labkit compare [--all] RUN RUN

Prints for each experiment, condition and runtime that both runs have together with runc the two ratios to runc, the
second's as a ratio to the first's with its 95 % interval, and whether they agree; and what differs between the hosts
and the versions. RUN is a run's folder below data/runs, or a path; `reference` is the run that the repository brings.
--all     every metric, not the main one of each workload and of start-up alone
"""
# Those that stand for an experiment; of the study they are the workloads' own.
MAIN = {"startup": ("first_instruction", "whole_life")}


def main(argv: list[str]) -> int:
    """`labkit compare`; 0 whether or not the runs agree."""
    from getopt import GetoptError, gnu_getopt

    try:
        pairs, rest = gnu_getopt(argv, "h", ["help", "all"])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit compare --help lists the options") from error
    options = dict(pairs)
    if "-h" in options or "--help" in options:
        print(USAGE, end="")
        return 0
    if len(rest) != 2:
        raise UsageError("labkit compare takes two runs", "for example: labkit compare reference quick")
    from labkit.cli.reproduce import lacking

    try:
        from labkit.bench.store import Run
        from labkit.stats import Compare
        from labkit.stats.compare import different_facts, different_versions
    except ModuleNotFoundError as error:
        raise lacking(error) from error

    runs = [Run(_folder(name)) for name in rest]
    facts = [run.facts() for run in runs]
    observations = [run.observations() for run in runs]
    found = Compare()(*(one if "--all" in options else _main_metrics(one) for one in observations))
    if found.empty:
        raise LabkitError(
            f"runs {rest[0]} and {rest[1]} have nothing in common that was measured together with runc",
            "measure the same experiments in both: labkit reproduce",
        )
    for what, first, second in [*different_facts(*facts), *different_versions(*observations)]:
        print(f"{what}: {_short(first)} | {_short(second)}")
    print(table(found))
    print(in_words(found))
    return 0


def _folder(name: str) -> Path:
    from labkit.nb import places

    folder = places.run_folder(name)
    return places.reference() if name == "reference" and not folder.exists() else folder


def _main_metrics(observations: pd.DataFrame) -> pd.DataFrame:
    """The rows of the metrics that stand for a workload or an experiment."""
    from labkit.workloads.all import WORKLOADS

    mains = {(one.name, one.main) for one in WORKLOADS}
    kept = [
        metric in MAIN[experiment] if experiment in MAIN else experiment != "study" or (condition, metric) in mains
        for experiment, condition, metric in observations[["experiment", "condition", "metric"]].to_numpy()
    ]
    return observations[kept]


def table(found: pd.DataFrame) -> str:
    """What Compare gives, a line for each row."""
    head = ("experiment", "condition", "metric", "runtime", "first", "second", "second / first", "verdict")
    lines = [head, *(_line(row) for row in found.to_dict("records"))]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _line(row: Mapping[Any, Any]) -> tuple[str, ...]:
    span = f" [{row['low']:.3g}, {row['high']:.3g}]" if row["low"] == row["low"] else ""
    ratios = (f"{row['first']:.3g}", f"{row['second']:.3g}", f"{row['ratio']:.3g}{span}")
    return row["experiment"], row["condition"], row["metric"], row["runtime"], *ratios, row["verdict"]


def in_words(found: pd.DataFrame) -> str:
    """How many agree, and how many would differ by chance."""
    counts = found["verdict"].value_counts()
    agree, differ, few = (int(counts.get(word, 0)) for word in ("agree", "differ", "too few blocks"))
    chance = f"; {0.05 * (agree + differ):.1f} would by chance" if agree + differ else ""
    return f"{agree} ratios agree, {differ} differ{chance}; {few} have too few blocks to tell."


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"

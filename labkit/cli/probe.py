"""Look at what can be seen and done inside a runtime's sandbox: files, devices, privileges, every system call."""

from __future__ import annotations

import json
import sys

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    import pandas as pd

USAGE = """usage: labkit probe [--runtime NAME]… [--json]
       labkit probe --program

Runs a small static program in a sandbox of each runtime that is named (labkit where none is), all given the same
bundle, and prints what it could see and do there. Of one runtime the whole table is shown, of several the rows in
which they differ; `host` is the same program with no sandbox.
--json        every row of every runtime: runtime, area, question, answer, unit, kind, verdict
--program     print the program's path instead: it runs in any sandbox, and writes its table to stdout
"""


def main(argv: list[str]) -> int:
    """`labkit probe`."""
    from getopt import GetoptError, gnu_getopt

    try:
        pairs, rest = gnu_getopt(argv, "h", ["help", "runtime=", "json", "program"])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit probe --help lists the options") from error
    options = {name for name, _ in pairs}
    names = list(dict.fromkeys(value for name, value in pairs if name == "--runtime")) or ["labkit"]
    if options & {"-h", "--help"}:
        print(USAGE, end="")
        return 0
    if rest:
        raise UsageError(f"{rest[0]!r} is not understood", "for example: labkit probe --runtime runc --runtime labkit")
    try:
        return _program() if "--program" in options else _probe(names, "--json" in options)
    except ModuleNotFoundError as error:
        from labkit.cli.reproduce import lacking

        raise lacking(error) from error


def _program() -> int:
    from labkit.workloads.probe.program import program

    print(program())
    return 0


def _probe(names: list[str], as_json: bool) -> int:
    import pandas as pd

    from labkit.runtimes import driver
    from labkit.workloads.probe.look import look_at

    runtimes = {name: driver(name) for name in names}
    for name, runtime in runtimes.items():
        found = runtime.probe()
        if not found.available:
            raise LabkitError(f"{name} is not available: {found.reason}", found.remedy)
    tables = look_at(runtimes)
    if as_json:
        rows = pd.concat([frame.assign(runtime=name) for name, frame in tables.items()])
        ordered = rows[["runtime", *(name for name in rows if name != "runtime")]]
        json.dump(ordered.to_dict("records"), sys.stdout, indent=1)
        print()
    else:
        print(one(tables[names[0]]) if len(names) == 1 else several(tables))
    return 0


def one(frame: pd.DataFrame) -> str:
    """One table as lines, an area after the other; of the system calls those that are refused, and how many are not."""
    from labkit.workloads.probe.table import CALLS, calls_in_words

    lines = []
    for area, rows in frame.groupby("area", sort=False):
        refused = rows[(rows["kind"] == "can") & (rows["verdict"] == "closed")]
        lines += ["", f"{str(area).capitalize()}" + f": {calls_in_words(frame)} Refused are:" * (area == CALLS)]
        lines += _lines((refused if area == CALLS else rows).to_dict("records"))
    return "\n".join(lines[1:])


def _lines(rows: list[dict[Hashable, Any]]) -> list[str]:
    width = max((len(str(row["question"])) for row in rows), default=0)
    return [
        f"  {row['verdict']:<6}  {row['question']:<{width}}  {row['answer']} {_unit(row['unit'])}".rstrip()
        for row in rows
    ]


def _unit(unit: object) -> str:
    return "" if unit == "1" else str(unit)


def several(tables: dict[str, pd.DataFrame]) -> str:
    """The rows in which several tables differ: a block for each question, in it a line for each answer."""
    from labkit.workloads.probe.table import CALLS, calls_in_words, side_by_side

    lines = [f"{name}: {calls_in_words(frame)}" for name, frame in tables.items()]
    for row in side_by_side(tables, differing=True).to_dict("records"):
        answers: dict[str, list[str]] = {}
        for name in tables:
            answers.setdefault(str(row[name]), []).append(name)
        question = f"call {row['question']}" if row["area"] == CALLS else row["question"]
        lines += ["", f"{row['area']}: {question}"]
        lines += [f"  {', '.join(names)}: {answer or 'none'}" for answer, names in answers.items()]
    return "\n".join(lines)

"""SQLite: transactions and queries in a database on the bind mount, by its own shell."""

from __future__ import annotations

from labkit.workloads.measurement import Measurement
from labkit.workloads.workload import SCRATCH, Workload, number

# Seconds since 1970, and those of the minute with their thousandths.
_NOW = "SELECT '%s', strftime('%%s', 'now') || substr(strftime('%%f', 'now'), 3);"
_TRANSACTION = 10


def _rows(scale: float) -> int:
    return max(1, round(300 * scale)) * _TRANSACTION


def files(scratch: str, scale: float) -> None:
    """The script: rows in small transactions, each looked up by its key, and changed."""
    count = _rows(scale)
    # The log of changes is not forced to the disk at each of them, which would measure the disk.
    lines = ["PRAGMA journal_mode = WAL;", "PRAGMA synchronous = NORMAL;"]
    lines.append("CREATE TABLE data (key INTEGER PRIMARY KEY, number INTEGER, text TEXT);")
    lines.append("CREATE INDEX numbers ON data (number);")
    lines.append(_NOW % "begin")
    for first in range(0, count, _TRANSACTION):
        lines.append("BEGIN;")
        for key in range(first, first + _TRANSACTION):
            lines.append(f"INSERT INTO data VALUES ({key}, {key * 7919 % count}, '{'text ' * 10}{key}');")
        lines.append("COMMIT;")
    lines += [f"SELECT length(text) FROM data WHERE number = {number};" for number in range(count)]
    lines += [f"UPDATE data SET number = number + 1 WHERE key = {key};" for key in range(0, count, _TRANSACTION)]
    lines.append("SELECT sum(number) FROM data WHERE text LIKE '%9';")
    lines.append(_NOW % "end")
    with open(f"{scratch}/script.sql", "w", encoding="ascii") as file:
        file.write("\n".join(lines))


def args(scale: float) -> tuple[str, ...]:
    """sqlite3(1)."""
    return ("sqlite3", "-bail", f"{SCRATCH}/data.db", f".read {SCRATCH}/script.sql")


def parse(text: str) -> list[Measurement]:
    """How long it took; a machine's clock may be set meanwhile, but only by thousandths."""
    begin, end = (number(rf"^{name}\|([\d.]+)$", text, f"its {name}") for name in ("begin", "end"))
    return [Measurement("run_time", "s", end - begin)]


WORKLOAD = Workload(
    "sqlite",
    "applications",
    "3000 rows inserted, found and changed",
    ("sqlite3",),
    args,
    parse,
    "run_time",
    higher=False,
    core=True,
    files=files,
)

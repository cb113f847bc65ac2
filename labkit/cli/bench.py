"""Time the engine against runc, crun and bubblewrap, all given the same bundle, in one interleaved run."""

from __future__ import annotations

import tempfile

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

USAGE = """usage: labkit bench [--rounds N] [--run DIR]

Starts each of labkit (Python), labkit (command line), crun, runc and bwrap N times (default 100), in blocks of random
order, and prints the median of the whole life of a container and its ratios to crun and runc with 95 % intervals.
--run DIR keeps the observations; an interrupted run is gone on with. Exit status 1 when a target is missed.
"""
RUNTIMES = ("labkit", "labkit-cli", "crun", "runc", "bwrap", "host")
# (runtime, baseline, largest ratio of the medians that is wanted)
TARGETS = (("labkit", "crun", 0.8), ("labkit-cli", "runc", 1.0))


def main(argv: list[str]) -> int:
    """`labkit bench`."""
    from getopt import GetoptError, gnu_getopt

    try:
        pairs, rest = gnu_getopt(argv, "h", ["help", "rounds=", "run="])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit bench --help lists the options") from error
    options = dict(pairs)
    if "-h" in options or "--help" in options:
        print(USAGE, end="")
        return 0
    rounds = options.get("--rounds", "100")
    if rest or not rounds.isdigit() or int(rounds) < 2:
        wrong = rest[0] if rest else f"--rounds {rounds}"
        raise UsageError(f"{wrong!r} is not understood", "for example: labkit bench --rounds 100")
    if "--run" in options:
        return _bench(options["--run"], int(rounds))
    with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder:
        return _bench(f"{folder}/bench", int(rounds))


def _bench(folder: str, rounds: int) -> int:
    from labkit.bench import startup, store
    from labkit.cli.reproduce import counted

    run = store.Run(folder)
    with counted("bench") as report:
        startup.measure(run, RUNTIMES, warm_blocks=rounds, cold_blocks=0, seed=1, progress=report)
    observations = run.observations()
    print(table(observations))
    for runtime, reason in unavailable(observations):
        print(f"{runtime}: not available: {reason}")
    met = [_met(observations, *target) for target in TARGETS]
    return 0 if all(met) else 1


def table(observations: pd.DataFrame) -> str:
    """Median and ratios of the whole life, one line a runtime."""
    to = {name: ratios(observations, name) for name in ("crun", "runc")}
    present = [name for name in RUNTIMES if any(name in rows for rows in to.values())]
    if not present:
        raise LabkitError("neither crun nor runc could be measured", "labkit doctor says why")
    lines = [f"{'':<12} {'median':>9}  {'ratio to crun':<22} {'ratio to runc':<22}"]
    for name in present:
        median = next(rows[name]["median"] for rows in to.values() if name in rows)
        cells = [_ratio(rows[name]) if name in rows else "-" for rows in to.values()]
        lines.append(f"{name:<12} {1000 * median:>6.2f} ms  {cells[0]:<22} {cells[1]:<22}".rstrip())
    return "\n".join(lines)


def ratios(observations: pd.DataFrame, baseline: str) -> dict[str, dict[str, Any]]:
    """By runtime: median in seconds, ratio to `baseline` and its interval `low` to `high`, for the whole life."""
    from labkit.stats import RatioToBaseline

    frame = RatioToBaseline(baseline)(observations[observations["metric"] == "whole_life"])
    return {str(row["runtime"]): {str(name): row[name] for name in row} for row in frame.to_dict("records")}


def _ratio(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def unavailable(observations: pd.DataFrame) -> list[tuple[str, str]]:
    """(runtime, reason) of those that could not be measured."""
    rows = observations[observations["status"] == "unavailable"][["runtime", "reason"]].drop_duplicates()
    return [(str(runtime), str(reason)) for runtime, reason in rows.itertuples(index=False)]


def _met(observations: pd.DataFrame, runtime: str, baseline: str, largest: float) -> bool:
    rows = ratios(observations, baseline)
    if runtime not in rows:
        print(f"target {runtime} <= {largest} x {baseline}: not measured")
        return True
    ratio = rows[runtime]["ratio"]
    print(f"target {runtime} <= {largest} x {baseline}: {ratio:.2f}, {'met' if ratio <= largest else 'MISSED'}")
    return bool(ratio <= largest)

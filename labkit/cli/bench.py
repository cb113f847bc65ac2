"""Time the engine against runc, crun and bubblewrap, all given the same bundle, in one interleaved run."""

from __future__ import annotations

from labkit.errors import LabkitError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    import pandas as pd

USAGE = """usage: labkit bench [--rounds N] [--run RUN] [--density]

Has labkit (Python, labkit-oci, labkit run), crun, runc and bwrap start containers from one bundle, N times (default
200) in rounds of random order, and prints medians and the ratios that are wanted, with 95 % intervals.
--run RUN     the run's folder below data/runs, or a path; by default a new one. One that was interrupted is gone on
              with.
--density     besides, keep 1,000 containers alive at once, six times, and see what the last costs over the first.
Exit status 1 when a target is missed. `labkit site` shows the last run in the chapter on the engine.
"""
ROUNDS = "200"


def main(argv: list[str]) -> int:
    """`labkit bench`."""
    from getopt import GetoptError, gnu_getopt

    try:
        pairs, rest = gnu_getopt(argv, "h", ["help", "rounds=", "run=", "density"])
    except GetoptError as error:
        raise UsageError(error.msg, "labkit bench --help lists the options") from error
    options = dict(pairs)
    if "-h" in options or "--help" in options:
        print(USAGE, end="")
        return 0
    rounds = options.get("--rounds", ROUNDS)
    if rest or not rounds.isdigit() or int(rounds) < 2:
        wrong = rest[0] if rest else f"--rounds {rounds}"
        raise UsageError(f"{wrong!r} is not understood", "for example: labkit bench --rounds 100")
    return _bench(options.get("--run"), int(rounds), "--density" in options)


def _bench(name: str | None, rounds: int, density: bool) -> int:
    from labkit.cli.reproduce import counted, lacking

    try:
        from labkit.bench import engine, store
        from labkit.nb import places
        from labkit.nb.engine import new_folder
        from labkit.stats import Targets
    except ModuleNotFoundError as error:
        raise lacking(error) from error

    folder: Path = new_folder() if name is None else places.run_folder(name)
    run = store.Run(folder)
    with counted("bench") as report:
        engine.measure(run, rounds, progress=report)
        if density:
            engine.measure_density(run, report)
    observations = run.observations(engine.EXPERIMENT)
    print(table(observations))
    print()
    found = Targets()(observations)
    print(verdicts(found))
    for runtime, status, reason in missing(observations):
        print(f"{runtime}: {status}: {reason}")
    if density:
        from labkit.plots.density import sentence

        print(sentence(run.observations(engine.DENSITY)))
    print(f"kept in {folder}")
    return 1 if found["verdict"].str.startswith("missed").any() else 0


def table(observations: pd.DataFrame) -> str:
    """Median and ratios to crun and runc of every operation, one line for each that carries it out."""
    from labkit.bench.engine import OPERATIONS
    from labkit.stats import RatioToBaseline

    ratios = {name: _by_pair(RatioToBaseline(name)(observations)) for name in ("crun", "runc")}
    good = observations[observations["status"] == "ok"]
    medians = good.groupby(["workload", "metric", "runtime"])["value"].median()
    if not any(ratios.values()):
        raise LabkitError("neither crun nor runc could be measured", "labkit doctor says why")
    lines = [f"{'':<20} {'':<11} {'median':>11}  {'ratio to crun':<22} {'ratio to runc':<22}".rstrip()]
    for operation, runtimes in OPERATIONS.items():
        metrics = _metrics(operation, medians)
        for metric, runtime in ((metric, runtime) for metric in metrics for runtime in runtimes):
            if (operation, metric, runtime) in medians.index:
                median = float(medians.loc[(operation, metric, runtime)])
                shown = {"throughput": f"{median:>9.1f}/s", "sampling": f"{100 * median:>9.2f} %"}.get(
                    metric, f"{1000 * median:>8.2f} ms"
                )
                cells = [_ratio(rows.get((metric, runtime))) for rows in ratios.values()]
                name = operation if len(metrics) == 1 else metric.replace("_", "-")
                lines.append(f"{name:<20} {runtime:<11} {shown}  {cells[0]:<22} {cells[1]:<22}".rstrip())
    return "\n".join(lines)


def _metrics(operation: str, medians: pd.Series[float]) -> list[str]:
    """Those that were measured of it: of cgroups v1 or v2, as the host has them. Of a run its whole life is shown."""
    if operation == "run":
        return ["whole_life"]
    return list(dict.fromkeys(str(metric) for work, metric, _ in medians.index if work == operation))


def _by_pair(ratios: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [{str(name): value for name, value in row.items()} for row in ratios.to_dict("records")]
    return {(str(row["metric"]), str(row["runtime"])): row for row in rows}


def _ratio(row: dict[str, Any] | None) -> str:
    return f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" if row else "-"


def verdicts(found: pd.DataFrame) -> str:
    """What `labkit.stats.Targets` gives, a line for each."""
    lines = []
    for row in found.to_dict("records"):
        pair = f"{row['runtime']} / {row['baseline']}"
        sign = ">=" if row["at_least"] else "<="
        measured = _ratio({str(name): value for name, value in row.items()}) if row["n"] else "-"
        lines.append(f"{row['what']:<36} {pair:<20} {sign} {row['bound']:<5g} {measured:<18} {row['verdict']}")
    return "\n".join(lines)


def missing(observations: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(runtime, status, reason) of what could not be measured."""
    rows = observations[observations["status"] != "ok"][["runtime", "status", "reason"]].drop_duplicates()
    return [(str(runtime), str(status), str(reason)) for runtime, status, reason in rows.itertuples(index=False)]

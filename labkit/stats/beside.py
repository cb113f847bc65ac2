"""Published ratios beside this run's for the same quantity, and whether they agree."""

from dataclasses import dataclass
from math import exp, log

import pandas as pd

COLUMNS = (
    "id",
    "workload",
    "runtime",
    "baseline",
    "published",
    "published_of",
    "source",
    "ratio",
    "low",
    "high",
    "apart",
    "verdict",
)
_BASELINES = {"native": "host", "runc": "runc"}
# Between two hosts or versions even careful figures differ by this factor.
_NEAR = 1.5


@dataclass(frozen=True, slots=True)
class Beside:
    """Each published figure that has a counterpart here, with both costs and a verdict.

    `figures` are the rows of data/published/figures.csv, `counterparts` those of counterparts.csv: the id of a figure
    and the workload here that measures the same quantity. A published ratio of which more is better is turned over, so
    that both are costs. Published figures come without intervals: `within` says that theirs lies in ours; `near`, that
    they differ by a factor of at most 1.5; `apart`, by how much more.
    """

    figures: pd.DataFrame
    counterparts: pd.DataFrame

    def __call__(self, costs: pd.DataFrame) -> pd.DataFrame:
        """One row per (published figure, runtime here), in the figures' order; empty without any."""
        own = {(row["workload"], row["runtime"], row["baseline"]): row for row in costs.to_dict("records")}
        rows = self.figures.merge(self.counterparts, on="id", suffixes=("_published", "")).dropna(subset=["ratio"])
        lines = []
        for row in rows.to_dict("records"):
            theirs = float(row["ratio"]) if row["better"] == "lower" else 1 / float(row["ratio"])
            baseline = _BASELINES.get(str(row["baseline"]), "")
            for runtime in _runtimes(str(row["runtime"]), row["platform"]):
                ours = own.get((row["workload"], runtime, baseline))
                if ours is not None:
                    factor = exp(abs(log(ours["ratio"] / theirs)))
                    within = bool(ours["low"] <= theirs <= ours["high"])
                    of = _of(str(row["runtime"]), row["platform"], str(row["workload_published"]))
                    theirs_here = (theirs, of, row["source"])
                    ours_here = (ours["ratio"], ours["low"], ours["high"])
                    verdict = "within" if within else "near" if factor <= _NEAR else "apart"
                    named = (row["id"], row["workload"], runtime, baseline)
                    lines.append((*named, *theirs_here, *ours_here, factor, verdict))
        return pd.DataFrame(lines, columns=list(COLUMNS))


def _runtimes(runtime: str, platform: object) -> list[str]:
    """The names here of what a published figure calls so; all platforms where it does not tell its own."""
    if runtime != "gvisor":
        return {"runc": ["runc"], "crun": ["crun"], "kata": ["kata", "microvm"]}.get(runtime, [])
    platforms = ["ptrace", "systrap", "kvm"]
    return [f"runsc-{platform}"] if platform in platforms else [f"runsc-{name}" for name in platforms]


def _of(runtime: str, platform: object, workload: str) -> str:
    return f"{runtime}{f' ({platform})' if isinstance(platform, str) else ''}, {workload}"

"""If your load is such, choose this runtime: reckoned from what each kind of load costs."""

from dataclasses import dataclass

import pandas as pd

from labkit.bench.startup import AGAIN
from labkit.stats.cost import geometric_mean
from labkit.stats.ratio import fewest

COLUMNS = ("group", "isolation", "runtime", "ratio", "low", "high", "workloads", "of", "worst", "worst_ratio", "alike")
# What stands between the program and the host's kernel, weakest first.
SHARED, USER_SPACE, MACHINE = "the host's kernel, filtered", "a kernel in user space", "a kernel in a virtual machine"
_KINDS = {
    "labkit": SHARED,
    "crun": SHARED,
    "runc": SHARED,
    "youki": SHARED,
    "bwrap": SHARED,
    "runsc-ptrace": USER_SPACE,
    "runsc-systrap": USER_SPACE,
    "runsc-kvm": USER_SPACE,
    "microvm": MACHINE,
    "kata": MACHINE,
    "krun": MACHINE,
}
KINDS = (SHARED, USER_SPACE, MACHINE)


def isolation(runtime: str) -> str:
    """What stands between a program in `runtime` and the host's kernel; empty for the host and unknown ones."""
    return _KINDS.get(runtime, "")


@dataclass(frozen=True, slots=True)
class Decision:
    """For each group of workloads and each kind of isolation, the runtime whose costs are lowest.

    `ratio` is the geometric mean of the costs of the group's workloads relative to `baseline`, which treats a workload
    of microseconds as one of minutes; `worst` is the workload that hides most in it. `alike` names the runtimes of the
    same kind whose interval meets that of the chosen one: between these the run does not decide. `workloads` of `of`
    were measured in it; only runtimes that have most of them are compared.
    """

    baseline: str = "runc"

    def __call__(self, costs: pd.DataFrame) -> pd.DataFrame:
        """One row per (group, kind of isolation) of which there is a runtime; `costs` is what Cost gives."""
        rows = costs[(costs["baseline"] == self.baseline) & (costs["runtime"] != AGAIN)]
        lines = []
        for group, mine in rows.groupby("group", sort=False):
            of = mine["workload"].nunique()
            for kind in KINDS:
                candidates = self._candidates(mine[mine["runtime"].map(isolation) == kind])
                if candidates:
                    lines.append((group, kind, *_best(candidates), of))
        order = ["group", "isolation", "runtime", "ratio", "low", "high", "workloads", "worst", "worst_ratio", "alike"]
        return pd.DataFrame(lines, columns=[*order, "of"])[list(COLUMNS)]

    def _candidates(self, rows: pd.DataFrame) -> list[tuple[object, ...]]:
        found = []
        for runtime, mine in rows.groupby("runtime"):
            worst = mine.sort_values("ratio").iloc[-1]
            # The baseline's ratio to itself has an interval without width.
            known = mine if runtime == self.baseline else mine[mine["n"] >= fewest(0.95)]
            mean, low, high = geometric_mean(known if len(known) == len(mine) else mine)
            found.append((runtime, mean, low, high, len(mine), worst["workload"], float(worst["ratio"])))
        most = max((one[4] for one in found), default=0)
        return [one for one in found if one[4] == most]


def _best(candidates: list[tuple[object, ...]]) -> tuple[object, ...]:
    best = min(candidates, key=lambda one: float(str(one[1])))
    alike = [
        str(one[0])
        for one in candidates
        # An interval that does not exist decides nothing either.
        if one is not best and not float(str(one[2])) > float(str(best[3]))
    ]
    return *best, ", ".join(alike)

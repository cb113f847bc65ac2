"""What could make a run's figures untrue, and what the run itself says of it; reckoned, not written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

import pandas as pd

from labkit.bench.startup import AGAIN
from labkit.stats.cost import Cost, as_costs
from labkit.stats.harness import TOLERATED, share_of_run, shares
from labkit.stats.ratio import fewest
from labkit.stats.stability import Stability

COLUMNS = ("threat", "found", "verdict")
FINE, BEWARE, UNKNOWN = "none seen", "beware", "not known"
_BASELINE = "runc"
# What is tolerated: load per CPU before a session, and the % of it that a hypervisor took.
_LOAD, _STEAL = 0.5, 1.0


@dataclass(frozen=True, slots=True)
class Validity:
    """Each threat with what was found, and `none seen`, `beware`, or `not known` where the host does not tell."""

    cost: Cost = field(default_factory=Cost)

    def __call__(
        self, observations: pd.DataFrame, facts: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]]
    ) -> pd.DataFrame:
        """One row per threat. `facts` and `sessions` are those of the run (labkit.bench.store)."""
        costs = as_costs(observations, self.cost.quantities)
        lines = [
            _load(facts, sessions),
            _steal(sessions),
            _frequency(facts),
            _nested(facts),
            _clock(facts),
            _one_of_each(observations, "host", "one host"),
            _versions(observations),
            _failed(observations),
            _unavailable(observations),
            *_series(costs),
            # The control alone: an interval for each other pair would take its time, and say nothing here.
            _control(self.cost(observations[observations["runtime"].isin([_BASELINE, AGAIN])])),
            _own_cpu(facts),
            _harness(observations),
        ]
        return pd.DataFrame(lines, columns=list(COLUMNS))


Line = tuple[str, str, str]


def _judged(threat: str, found: str, fine: bool) -> Line:
    return threat, found, FINE if fine else BEWARE


def _load(facts: Mapping[str, Any], sessions: Sequence[Mapping[str, Any]]) -> Line:
    before = [float(one["load_before"][0]) for one in sessions if "load_before" in one]
    after = [float(one["load_after"][0]) for one in sessions if "load_after" in one]
    what = "other programs running"
    if not before:
        return what, "no session tells its load", UNKNOWN
    cpus = int(facts.get("cpus", 1))
    text = f"load before up to {max(before):.2f}, after up to {max(after):.2f}, {cpus} CPUs, {len(before)} sessions"
    return _judged(what, text, max(before) <= _LOAD * cpus)


def _steal(sessions: Sequence[Mapping[str, Any]]) -> Line:
    stolen = [float(one["steal_percent"]) for one in sessions if "steal_percent" in one]
    what = "time that a hypervisor took"
    if not stolen:
        return what, "no session tells it", UNKNOWN
    return _judged(what, f"up to {max(stolen):.2f} % of a session", max(stolen) <= _STEAL)


def _frequency(facts: Mapping[str, Any]) -> Line:
    governor = str(facts.get("governor", ""))
    if governor in ("", "not shown by this host"):
        return "a CPU frequency that changes", "the host does not show its governor", UNKNOWN
    return _judged("a CPU frequency that changes", f"governor {governor}", governor == "performance")


def _nested(facts: Mapping[str, Any]) -> Line:
    found = str(facts.get("virtualization", ""))
    if not found:
        return "a host that is a virtual machine", "not recorded", UNKNOWN
    text = found if found == "none found" else f"it is one ({found}): the runtimes with a hypervisor are nested"
    return _judged("a host that is a virtual machine", text, found == "none found")


def _clock(facts: Mapping[str, Any]) -> Line:
    source = str(facts.get("clocksource", ""))
    if not source:
        return "a slow clock", "the host does not show its clock source", UNKNOWN
    return _judged("a slow clock", source, source not in ("hpet", "acpi_pm", "jiffies"))


def _one_of_each(observations: pd.DataFrame, column: str, name: str) -> Line:
    count = int(observations[column].nunique())
    return _judged("figures of several hosts in one run", name if count == 1 else f"{count} hosts", count <= 1)


def _versions(observations: pd.DataFrame) -> Line:
    good = observations[observations["status"] == "ok"]
    counts = good.groupby("runtime", observed=True)["version"].nunique()
    several = sorted(str(name) for name in counts[counts > 1].index)
    text = f"several versions of {', '.join(several)}" if several else f"one version of each of {len(counts)} runtimes"
    return _judged("versions that change within the run", text, not several)


def _failed(observations: pd.DataFrame) -> Line:
    keys = ["experiment", "condition", "block", "runtime"]
    trials = observations[observations["status"] != "unavailable"].drop_duplicates(keys)
    failed = trials[trials["status"] == "failed"]
    text = f"{len(failed)} of {len(trials)} trials failed"
    if len(failed):
        text += f" ({', '.join(sorted(set(failed['runtime'])))})"
    return _judged("trials that are missing", text, failed.empty)


def _unavailable(observations: pd.DataFrame) -> Line:
    names = sorted(set(observations[observations["status"] == "unavailable"]["runtime"]))
    text = f"not available: {', '.join(names)}" if names else "all were available"
    return _judged("runtimes that are missing", text, not names)


def _series(costs: pd.DataFrame) -> list[Line]:
    found = Stability()(costs)
    few = int((found["n"] < fewest(0.95)).sum())
    enough = found[found["n"] >= fewest(0.95)]
    unsteady = int((enough["warning"] != "").sum())
    return [
        _judged(
            "too few blocks for an interval", f"{few} of {len(found)} series have fewer than {fewest(0.95)}", few == 0
        ),
        _judged("series that are not steady", f"{unsteady} of {len(enough)} carry a warning", unsteady == 0),
    ]


def _control(costs: pd.DataFrame) -> Line:
    what = "differences where there is none (A/A control)"
    rows = costs[(costs["runtime"] == AGAIN) & (costs["baseline"] == _BASELINE)].dropna(subset=["low"])
    if rows.empty:
        return what, "no control has an interval", UNKNOWN
    beyond = int(((rows["low"] > 1) | (rows["high"] < 1)).sum())
    return _judged(what, f"{beyond} of {len(rows)} intervals leave out 1", by_chance(beyond, len(rows)) >= 0.05)


def by_chance(failures: int, controls: int, rate: float = 0.05) -> float:
    """The probability of at least so many failures where each control fails with `rate`."""
    return sum(comb(controls, k) * rate**k * (1 - rate) ** (controls - k) for k in range(failures, controls + 1))


def _own_cpu(facts: Mapping[str, Any]) -> Line:
    cpus = int(facts.get("cpus", 1))
    text = "the load has a CPU of its own" if cpus > 1 else "load and sandbox share the only CPU"
    return _judged("a load that takes the sandbox's CPU", text, cpus > 1)


def _harness(observations: pd.DataFrame) -> Line:
    what = "a harness that takes part"
    found = shares(observations)
    if found.empty:
        return what, "not recorded", UNKNOWN
    share = share_of_run(found)
    return _judged(what, f"it took {100 * share:.2f} % of one core while {len(found)} trials ran", share <= TOLERATED)

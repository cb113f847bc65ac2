"""What could not be measured, and why."""

from dataclasses import dataclass

import pandas as pd

COLUMNS = ("runtime", "status", "trials", "reason")
PAIR = ["condition", "runtime"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Trials that failed and runtimes that are not available, counted by reason.

    `trials` counts failed trials (a trial has several metrics, and counts once); it is 0 for a runtime that is not
    available, since none was begun.
    """

    def __call__(self, observations: pd.DataFrame) -> pd.DataFrame:
        """One row per (runtime, status, reason), unavailable ones first; empty when nothing is missing."""
        rows = observations[observations["status"] != "ok"]
        rows = rows.assign(reason=rows["reason"].fillna("").astype(str))
        counted = []
        for (runtime, status, reason), group in rows.groupby(["runtime", "status", "reason"], sort=True, observed=True):
            trials = 0 if status == "unavailable" else len(group[["condition", "block"]].drop_duplicates())
            counted.append((str(runtime), str(status), trials, str(reason)))
        counted.sort(key=lambda row: (row[1] != "unavailable", row[0], row[3]))
        return pd.DataFrame(counted, columns=list(COLUMNS))


def missing_pairs(observations: pd.DataFrame) -> pd.DataFrame:
    """Columns workload, runtime and reason of each pair that has no figure at all; workload "" stands for all."""
    good = {tuple(pair) for pair in observations.loc[observations["status"] == "ok", PAIR].to_numpy()}
    rows = observations.loc[observations["status"] != "ok", [*PAIR, "reason"]].drop_duplicates(PAIR, keep="last")
    lost = [row for row in rows.to_dict("records") if (row["condition"], row["runtime"]) not in good]
    return pd.DataFrame(lost, columns=[*PAIR, "reason"]).rename(columns={"condition": "workload"})

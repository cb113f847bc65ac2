"""What the harness itself takes of one core while the trials of a run go on."""

import pandas as pd

SHARE, WALL = "harness", "harness_wall"
# More than that of one core takes part in what is measured.
TOLERATED = 0.01


def shares(observations: pd.DataFrame) -> pd.DataFrame:
    """A row for each trial that has it: condition, share (1: all of one core), and the trial's time in s.

    Trials that did not record their time count alike.
    """
    good = observations[(observations["status"] == "ok") & observations["metric"].isin([SHARE, WALL])]
    keys = ["experiment", "condition", "block", "runtime"]
    table = good.pivot_table(index=keys, columns="metric", values="value", observed=True)
    table = table.reindex(columns=[SHARE, WALL]).dropna(subset=[SHARE]).fillna({WALL: 1.0}).reset_index()
    table.columns.name = None
    return table[["condition", SHARE, WALL]].rename(columns={SHARE: "share", WALL: "time"})


def share_of_run(found: pd.DataFrame) -> float:
    """The CPU time of the harness in all these trials, as a share of their time."""
    return float((found["share"] * found["time"]).sum() / found["time"].sum())

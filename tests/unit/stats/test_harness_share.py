import pandas as pd
import pytest

from labkit.stats.harness import share_of_run, shares
from labkit.stats.synthetic import row


def observed(*trials: tuple[str, float, float | None]) -> pd.DataFrame:
    """Observations of trials: workload, share, time in s where it was recorded."""
    rows = []
    for block, (workload, share, time) in enumerate(trials):
        rows.append(row("runc", workload, block, 0, "harness", share))
        if time is not None:
            rows.append(row("runc", workload, block, 0, "harness_wall", time))
    return pd.DataFrame(rows, columns=list(row("")))


def test_a_long_trial_counts_by_its_time():
    found = shares(observed(("redis", 0.1, 1.0), ("zstd", 0.0, 9.0)))
    assert list(found["condition"]) == ["redis", "zstd"]
    assert share_of_run(found) == pytest.approx(0.01)


def test_trials_that_did_not_record_their_time_count_alike():
    assert share_of_run(shares(observed(("redis", 0.1, None), ("zstd", 0.0, None)))) == pytest.approx(0.05)


def test_what_failed_or_was_not_recorded_has_no_share():
    failed = pd.DataFrame([row("runc", "redis", 0, 0, "harness", status="failed")])
    assert shares(failed).empty
    assert shares(failed.iloc[:0]).empty

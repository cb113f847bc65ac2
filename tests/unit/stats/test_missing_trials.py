import pandas as pd

from labkit.stats import Missing
from labkit.stats.synthetic import row, synthetic


def test_nothing_missing_is_an_empty_table():
    assert Missing()(synthetic({"runc": 1.0})).empty


def test_an_unavailable_runtime_is_listed_once_with_its_reason():
    rows = [
        row("runsc-kvm", condition, metric=metric, status="unavailable", reason="no /dev/kvm")
        for condition in ("warm", "cold")
        for metric in ("first_instruction", "whole_life")
    ]
    (found,) = Missing()(pd.DataFrame(rows)).to_dict("records")
    assert found == {"runtime": "runsc-kvm", "status": "unavailable", "trials": 0, "reason": "no /dev/kvm"}


def test_a_failed_trial_counts_once_though_it_has_two_metrics():
    rows = [
        row("crun", block=block, metric=metric, status="failed", reason="it timed out")
        for block in (3, 4)
        for metric in ("first_instruction", "whole_life")
    ]
    (found,) = Missing()(pd.DataFrame(rows)).to_dict("records")
    assert (found["trials"], found["reason"]) == (2, "it timed out")


def test_different_reasons_stay_apart_and_a_lacking_reason_is_no_error():
    rows = [row("crun", block=b, status="failed", reason=reason) for b, reason in enumerate(["a", "b", None])]
    assert list(Missing()(pd.DataFrame(rows))["reason"]) == ["", "a", "b"]

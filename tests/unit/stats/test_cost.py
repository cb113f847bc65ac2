import numpy as np
import pandas as pd
import pytest

from labkit.stats import Cost
from labkit.stats.cost import Quantity, as_costs, geometric_mean, main_quantities, operations, told_apart
from labkit.stats.synthetic import row, study

RATE = Quantity("rate", "cpu", "sysbench-cpu", "throughput", True)
TIME = Quantity("time", "harness", "empty", "whole_life", False)


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    return study(
        {
            ("sysbench-cpu", "throughput"): {"host": 1000.0, "runc": 1000.0, "slow": 250.0},
            ("empty", "whole_life"): {"host": 0.01, "runc": 0.02, "slow": 0.08},
        }
    )


def test_half_the_throughput_and_twice_the_time_cost_the_same(observations):
    found = Cost(("runc",), (RATE, TIME))(observations).set_index(["workload", "runtime"])
    for name in ("rate", "time"):
        row = found.loc[(name, "slow")]
        assert row["ratio"] == pytest.approx(4, rel=0.1)
        assert row["low"] < 4 < row["high"]


def test_the_median_is_told_in_the_metrics_own_unit(observations):
    found = Cost(("host",), (RATE, TIME))(observations).set_index(["workload", "runtime"])
    assert found.loc[("rate", "slow"), "median"] == pytest.approx(250, rel=0.15)
    assert found.loc[("time", "slow"), "median"] == pytest.approx(0.08, rel=0.15)


def test_rows_come_in_the_order_of_the_quantities_for_each_baseline(observations):
    found = Cost(("host", "runc"), (TIME, RATE))(observations)
    assert list(dict.fromkeys(found["workload"])) == ["time", "rate"]
    assert set(found["baseline"]) == {"host", "runc"}


def test_too_few_blocks_have_a_ratio_a_warning_and_no_interval():
    found = Cost(("runc",), (RATE,))(study({("sysbench-cpu", "throughput"): {"runc": 9.0, "a": 3.0}}, blocks=2))
    one = found.set_index("runtime").loc["a"]
    assert one["ratio"] == pytest.approx(3, rel=0.2)
    assert np.isnan(one["low"])
    assert "too few" in one["warning"]


def test_failed_trials_and_foreign_conditions_do_not_count(observations):
    foreign = study({("of-another-version", "throughput"): {"host": 1.0, "runc": 1.0}})
    failed = pd.DataFrame([row("slow", "empty", 99, 0, "whole_life", 1e9, "failed", "it died")])
    with_more = pd.concat([observations, foreign, failed], ignore_index=True)
    pd.testing.assert_frame_equal(Cost(("runc",), (RATE, TIME))(with_more), Cost(("runc",), (RATE, TIME))(observations))


def test_nothing_measured_gives_no_rows(observations):
    assert Cost()(observations.iloc[:0]).empty
    assert as_costs(observations.iloc[:0], main_quantities()).empty


def test_operations_are_quantities_of_their_own():
    calls = study({("redis", "syscall_getpid"): {"runc": 1e-7, "b": 2e-6}, ("redis", "throughput"): {"runc": 1.0}})
    (one,) = operations(calls)
    assert (one.name, one.group, one.workload, one.higher) == ("getpid", "applications", "redis", False)
    assert Cost(("runc",), (one,))(calls).set_index("runtime").loc["b", "ratio"] == pytest.approx(20, rel=0.1)


def test_what_can_be_told_apart_has_an_interval_that_leaves_out_1():
    nan = float("nan")
    rows = pd.DataFrame({"low": [0.9, 1.1, 0.5, nan], "high": [1.1, 1.2, 0.9, nan]})
    assert list(told_apart(rows)) == [False, True, True, False]


def test_the_geometric_mean_treats_double_and_half_as_nothing_and_has_an_interval():
    rows = pd.DataFrame({"ratio": [2.0, 0.5], "low": [1.8, 0.45], "high": [2.2, 0.55]})
    mean, low, high = geometric_mean(rows)
    assert mean == pytest.approx(1)
    assert 0.9 < low < 1 < high < 1.1
    assert np.isnan(geometric_mean(rows.assign(low=[float("nan"), 0.4]))[1])
    assert np.isnan(geometric_mean(rows.iloc[:0])[0])

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.stats import RatioToBaseline
from labkit.stats.synthetic import row, synthetic


def one(frame: pd.DataFrame, runtime: str, metric: str = "whole_life") -> pd.Series:
    found = frame[(frame["runtime"] == runtime) & (frame["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def test_an_exact_multiple_has_an_exact_ratio_and_an_interval_without_width():
    observations = synthetic({"runc": 0.02, "crun": 0.01}, noise=0.0, drift=0.5)
    crun = one(RatioToBaseline("runc")(observations), "crun")
    assert (crun["ratio"], crun["low"], crun["high"]) == pytest.approx((0.5, 0.5, 0.5))
    assert crun["n"] == 20


def test_the_median_is_that_of_the_runtime_in_seconds():
    rows = [row(name, block=block, value=value) for block, value in enumerate([1.0, 2.0, 9.0]) for name in ("a", "b")]
    assert one(RatioToBaseline("b")(pd.DataFrame(rows)), "a")["median"] == 2.0


def test_the_baseline_is_one_with_no_width():
    runc = one(RatioToBaseline("runc")(synthetic({"runc": 0.02, "crun": 0.01})), "runc")
    assert (runc["ratio"], runc["low"], runc["high"]) == (1.0, 1.0, 1.0)


def test_each_condition_and_metric_is_apart():
    observations = synthetic({"runc": 0.02, "crun": 0.01}, conditions=("warm", "cold"))
    result = RatioToBaseline("runc")(observations)
    assert len(result) == 2 * 2 * 2
    assert not result.duplicated(["condition", "metric", "runtime"]).any()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_rows_does_not_matter(seed):
    observations = synthetic({"runc": 0.02, "crun": 0.01, "host": 0.001}, blocks=5)
    shuffled = observations.sample(frac=1, random_state=seed)
    ratio = RatioToBaseline("runc", resamples=50)
    pd.testing.assert_frame_equal(ratio(observations), ratio(shuffled))


def test_other_runtimes_do_not_move_an_interval():
    observations = synthetic({"runc": 0.02, "crun": 0.01, "host": 0.001})
    few = observations[observations["runtime"] != "host"]
    ratio = RatioToBaseline("runc")
    pd.testing.assert_series_equal(one(ratio(observations), "crun"), one(ratio(few), "crun"), check_names=False)


def test_only_blocks_with_both_are_compared():
    rows = [row("runc", block=block, value=1.0) for block in range(8)]
    rows += [row("crun", block=block, value=2.0) for block in range(5)]
    # A block without a baseline would pull the median far up.
    rows += [row("crun", block=block, value=1000.0) for block in range(8, 20)]
    crun = one(RatioToBaseline("runc")(pd.DataFrame(rows)), "crun")
    assert (crun["n"], crun["ratio"]) == (5, 2.0)


def test_failed_trials_do_not_count():
    observations = synthetic({"runc": 0.02, "crun": 0.01}, blocks=10)
    failed = observations.assign(
        status=np.where((observations["runtime"] == "crun") & (observations["block"] < 3), "failed", "ok")
    )
    assert one(RatioToBaseline("runc")(failed), "crun")["n"] == 7


def test_a_baseline_that_was_not_measured_gives_no_rows():
    assert RatioToBaseline("runc")(synthetic({"crun": 0.01})).empty


def test_nothing_observed_gives_an_empty_table_with_the_columns():
    result = RatioToBaseline("runc")(synthetic({"runc": 1.0}).iloc[:0])
    assert list(result.columns) == [
        "condition", "metric", "runtime", "baseline", "n", "median", "ratio", "low", "high",
    ]  # fmt: skip


def test_one_block_has_a_ratio_and_no_interval():
    crun = one(RatioToBaseline("runc")(synthetic({"runc": 0.02, "crun": 0.01}, blocks=1, noise=0)), "crun")
    assert crun["ratio"] == pytest.approx(0.5)
    assert np.isnan([crun["low"], crun["high"]]).all()


def test_the_95_percent_interval_holds_the_truth_about_19_times_in_20():
    ratio = RatioToBaseline("runc", resamples=500)
    worlds = 200
    held = 0
    for seed in range(worlds):
        observations = synthetic({"runc": 0.02, "crun": 0.01}, blocks=15, seed=seed, noise=0.1)
        crun = one(ratio(observations[observations["metric"] == "whole_life"]), "crun")
        held += crun["low"] <= 0.5 <= crun["high"]
    # A binomial count of 200 with p = 0.95 falls below 181 with probability 0.002; the seeds are fixed.
    assert held >= 181


def test_a_higher_level_gives_a_wider_interval():
    observations = synthetic({"runc": 0.02, "crun": 0.01})
    wide, narrow = (one(RatioToBaseline("runc", level=level)(observations), "crun") for level in (0.99, 0.8))
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]


def test_the_statistic_is_a_parameter():
    rows = [row("a", block=b, value=v) for b, v in enumerate([1.0, 1.0, 10.0])]
    rows += [row("b", block=b, value=1.0) for b in range(3)]
    assert one(RatioToBaseline("b", statistic=np.mean)(pd.DataFrame(rows)), "a")["ratio"] == 4.0


@pytest.mark.parametrize("wrong", [{"level": 1.0}, {"level": 0.0}, {"resamples": 0}])
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(LabkitError):
        RatioToBaseline("runc", **wrong)


def test_a_lacking_column_is_named():
    with pytest.raises(LabkitError, match="'value'"):
        RatioToBaseline("runc")(synthetic({"runc": 1.0}).drop(columns="value"))

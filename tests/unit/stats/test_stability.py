import numpy as np
import pandas as pd
import pytest

from labkit.stats import Stability
from labkit.stats.synthetic import row, synthetic


def series(values) -> pd.DataFrame:
    return pd.DataFrame([row("runc", block=block, value=value) for block, value in enumerate(values)])


def check(values) -> pd.Series:
    result = Stability()(series(values))
    assert len(result) == 1
    return result.iloc[0]


def test_a_steady_series_has_no_warning():
    values = 1 + np.random.default_rng(1).normal(0, 0.02, 50)
    assert check(values)["warning"] == ""


def test_a_constant_series_has_no_warning():
    assert check([0.5] * 20)["warning"] == ""


def test_the_numbers_are_those_of_their_definitions():
    found = check([1.0, 2.0, 3.0, 4.0, 10.0, 4.0])
    values = np.array([1.0, 2.0, 3.0, 4.0, 10.0, 4.0])
    assert found["cv"] == pytest.approx(values.std(ddof=1) / values.mean())
    assert found["max_to_median"] == pytest.approx(10 / 3.5)
    assert found["drift"] == pytest.approx(pd.Series(range(6)).corr(pd.Series(values).rank()))


def test_a_wide_series_is_warned_of_with_its_number():
    assert "standard deviation is 4" in check([1.0, 2.0, 1.0, 2.0, 1.5, 2.5, 0.7, 1.2])["warning"]


def test_one_slow_trial_is_warned_of():
    assert "the slowest is 3.0 times the median" in check([1.0] * 30 + [3.0])["warning"]


@pytest.mark.parametrize(("sign", "words"), [(1, "slows down"), (-1, "speeds up")])
def test_a_drift_is_warned_of_with_its_direction(sign, words):
    values = 1 + sign * np.linspace(0, 0.2, 40) + np.random.default_rng(2).normal(0, 0.01, 40)
    assert words in check(values)["warning"]


def test_a_wave_is_seen_as_neighbours_alike():
    values = 1 + 0.05 * np.sin(np.arange(60) * 2 * np.pi / 20)
    assert "neighbouring blocks are alike" in check(values)["warning"]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_blocks_are_said_to_be_too_few(n):
    assert f"only {n} block" in check([1.0] * n)["warning"]


def test_false_alarms_are_rare():
    alarms = sum(
        (Stability()(synthetic({"runc": 1.0}, blocks=30, seed=seed, noise=0.03, drift=0.0))["warning"] != "").sum()
        for seed in range(40)
    )
    assert alarms <= 2


def test_order_of_rows_does_not_matter():
    observations = synthetic({"runc": 1.0, "crun": 2.0}, blocks=12)
    shuffled = observations.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(Stability()(observations), Stability()(shuffled))

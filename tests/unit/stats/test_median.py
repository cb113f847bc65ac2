import numpy as np
import pandas as pd
import pytest

from labkit.stats import Median


def of(values, by=1.0, **options):
    return Median("asked", "got", **options)(pd.DataFrame({"asked": by, "got": values})).iloc[0]


def test_a_row_for_each_group_in_its_order():
    rows = pd.DataFrame({"asked": [2, 1, 2], "got": [5.0, 1.0, 7.0]})
    found = Median("asked", "got")(rows)
    assert list(found["asked"]) == [1, 2]
    assert list(found["median"]) == [1, 6]
    assert list(found["n"]) == [1, 2]


def test_five_values_have_no_interval_of_95_percent_and_six_have_their_range():
    assert np.isnan(of(range(5))["low"])
    assert (of(range(6))["low"], of(range(6))["high"]) == (0, 5)


@pytest.mark.parametrize(("n", "rank"), [(8, 1), (9, 2), (11, 2), (12, 3), (20, 6), (25, 8)])
def test_the_ranks_are_those_of_the_tables_of_the_sign_test(n, rank):
    found = of(np.arange(1, n + 1)[::-1])
    assert (found["low"], found["high"]) == (rank, n + 1 - rank)


def test_a_lower_level_is_narrower():
    assert of(range(20), level=0.5)["low"] > of(range(20))["low"]


def test_the_interval_holds_the_median_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(400):
        found = of(rng.exponential(size=12))
        held.append(found["low"] <= np.log(2) <= found["high"])
    assert np.mean(held) > 0.93

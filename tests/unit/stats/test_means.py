import numpy as np
import pandas as pd
import pytest

from labkit.nb.published import figures
from labkit.stats.means import Means, published_pairs, such_times
from labkit.stats.synthetic import row, study


def of(values: dict[str, np.ndarray]) -> pd.DataFrame:
    rows = [
        row(name, "w", block, 0, "m", float(v)) for name, series in values.items() for block, v in enumerate(series)
    ]
    return pd.DataFrame(rows)


def test_the_published_case_is_there_with_both_ratios():
    pairs = published_pairs(figures()).set_index("workload")
    assert tuple(pairs.loc["10 MB download", ["of_medians", "of_means"]]) == (1.18, 0.58)
    assert tuple(pairs.loc["1 GB download", ["of_medians", "of_means"]]) == (4.21, 2.88)


def test_rare_long_times_of_the_baseline_turn_the_conclusion_round():
    base, other = such_times(200, 1.18, 0.2, 12.0, seed=1)
    (found,) = Means()(of({"runc": base, "a": other})).to_dict("records")
    assert found["verdict"] == "reversed"
    assert found["of_medians"] == pytest.approx(1.18, rel=0.05)
    assert found["of_means"] < 1


def test_steady_times_say_the_same_by_both():
    found = Means()(study({("w", "m"): {"runc": 1.0, "a": 2.0}}))
    assert list(found["verdict"]) == ["the same"]


def test_without_intervals_nothing_is_said():
    assert Means()(study({("w", "m"): {"runc": 1.0, "a": 2.0}}, blocks=3)).empty


def test_made_up_times_are_the_same_for_the_same_seed():
    first, second = (such_times(30, 1.18, 0.1, 12.0, seed=7) for _ in range(2))
    assert (first[0] == second[0]).all()
    assert int((first[0] > 5).sum()) == 3

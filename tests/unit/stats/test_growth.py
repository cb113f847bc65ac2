import math

import pandas as pd
import pytest

from labkit.plots import density
from labkit.stats import Growth


def observations(*series, others=1.0, memory=10e6):
    rows = []
    for position, starts in enumerate(series):
        rows += [
            {"metric": "start", "position": position, "block": n, "value": value} for n, value in enumerate(starts)
        ]
        rows += [{"metric": "other_processes", "position": position, "block": -1, "value": others}]
        rows += [{"metric": "other_memory", "position": position, "block": -1, "value": memory}]
    return pd.DataFrame(rows)


def test_the_last_are_compared_with_the_first_whatever_the_order_of_the_rows():
    frame = observations([0.01] * 50 + [5.0] * 100 + [0.02] * 50, [0.02] * 150 + [0.04] * 50).iloc[::-1]
    growth = Growth()(frame)
    assert (growth["n"], growth["series"]) == (200, 2)
    assert (growth["first"], growth["last"]) == pytest.approx((0.015, 0.03))
    assert (growth["ratio"], growth["low"], growth["high"]) == (2, 2, 2)


def test_series_are_what_is_resampled():
    growth = Growth(edge=1)(observations(*([1.0, last] for last in (1.0, 1.0, 1.5, 2.0, 2.0))))
    assert growth["ratio"] == 1.5
    assert (growth["low"], growth["high"]) == (1.0, 2.0)


def test_one_series_has_no_interval():
    growth = Growth()(observations([0.01] * 100))
    assert growth["ratio"] == 1
    assert math.isnan(growth["low"])
    assert "(one series)" in density.sentence(observations([0.01] * 100))


def test_what_is_counted_at_the_end_is_no_start():
    assert Growth(edge=2)(observations([0.01] * 4))["n"] == 4


@pytest.mark.parametrize(
    ("last", "others", "memory", "words"),
    [
        (0.01, 1.0, 10e6, ["(met: at most 1.5", "1 process beside", "(met: no helper", "10.0 MB", "(met: less"]),
        (0.02, 3.0, 30e6, ["(missed: at most 1.5", "3 processes beside", "(missed: no helper", "(missed: less"]),
    ],
)
def test_the_sentence_says_what_is_met_and_what_is_not(last, others, memory, words):
    text = density.sentence(observations(*[[0.01] * 50 + [last] * 50] * 2, others=others, memory=memory))
    assert [word for word in words if word not in text] == []


def test_the_figure_has_a_dot_for_each_start():
    figure = density.density(observations([0.01] * 60))
    assert len(figure.axes[0].lines[0].get_xdata()) == 60

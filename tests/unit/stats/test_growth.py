import pandas as pd
import pytest

from labkit.plots import density
from labkit.stats import Growth


def observations(starts, others=1.0, memory=10e6):
    rows = [{"metric": "start", "block": number, "value": value} for number, value in enumerate(starts)]
    rows += [{"metric": "other_processes", "block": -1, "value": others}]
    rows += [{"metric": "other_memory", "block": -1, "value": memory}]
    return pd.DataFrame(rows)


def test_the_last_are_compared_with_the_first_whatever_the_order_of_the_rows():
    frame = observations([0.01] * 50 + [5.0] * 100 + [0.02] * 50).iloc[::-1]
    growth = Growth()(frame)
    assert (growth["n"], growth["first"], growth["last"]) == (200, 0.01, 0.02)
    assert (growth["ratio"], growth["low"], growth["high"]) == (2, 2, 2)


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
    text = density.sentence(observations([0.01] * 50 + [last] * 50, others, memory))
    assert [word for word in words if word not in text] == []


def test_the_figure_has_a_dot_for_each_start():
    figure = density.density(observations([0.01] * 60))
    assert len(figure.axes[0].lines[0].get_xdata()) == 60

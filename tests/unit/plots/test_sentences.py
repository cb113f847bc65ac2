import pandas as pd
import pytest

from labkit.plots import distribution, published, ratio, reach, strips, style
from labkit.stats import RatioToBaseline
from labkit.stats.synthetic import synthetic

METRIC = "first_instruction"


def ratios(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    columns = ["runtime", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(metric=METRIC, condition="warm", baseline="runc")


def test_slower_faster_and_indistinguishable_are_told_apart_by_the_interval():
    said = ratio.sentence(
        ratios(("a", 0.5, 0.4, 0.6), ("b", 1.1, 0.9, 1.3), ("c", 6.0, 5.0, 7.0)), METRIC, baseline="runc"
    )
    assert "a 0.5 (0.4 to 0.6) took less than runc" in said
    assert "b 1.1 (0.9 to 1.3) cannot be told from runc" in said
    assert "c 6 (5 to 7) took more" in said


def test_the_baseline_and_its_control_are_not_compared_with_it():
    said = ratio.sentence(ratios(("runc", 1, 1, 1), ("runc-again", 1, 0.9, 1.1), ("c", 6, 5, 7)), METRIC, "runc")
    assert "again" not in said
    assert said.count("runc") == 2


def test_only_slower_ones_still_name_the_baseline():
    assert "c 6 (5 to 7) took more than runc" in ratio.sentence(ratios(("c", 6, 5, 7)), METRIC, "runc")


def test_without_an_interval_nothing_is_claimed():
    nan = float("nan")
    said = ratio.sentence(ratios(("c", 6.0, nan, nan)), METRIC, "runc")
    assert "cannot be told" in said
    assert "more" not in said
    assert "nan" not in said


def test_nothing_compared_is_said():
    assert ratio.sentence(ratios(), METRIC, "runc") == "Nothing was compared with runc (warm)."


def test_the_distribution_names_fastest_slowest_and_widest():
    observations = synthetic({"host": 0.001, "runc": 0.02}, noise=0.001, drift=0)
    wide = synthetic({"crun": 0.01}, noise=0.5, drift=0)
    said = distribution.sentence(pd.concat([observations, wide]), METRIC)
    assert "(host) to" in said
    assert "(runc); crun spreads most" in said


def test_the_published_range_stands_beside_ours():
    figures = pd.DataFrame(
        {"group": "startup", "metric": "time", "baseline": "runc", "id": [1, 2], "runtime": "crun", "ratio": [0.2, 0.8]}
    )
    compared = RatioToBaseline("runc")(synthetic({"runc": 0.02, "crun": 0.01}, noise=0, drift=0))
    said = published.sentence(figures, compared, METRIC)
    assert "crun was published at 0.2 to 0.8 times runc, and came to 0.5 (crun) here" in said


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00937, "0.00937"), (1.0, "1"), (107.2, "107"), (1234.5, "1,234"), (0.5, "0.5"), (99.96, "100")],
)
def test_numbers_have_three_digits_and_no_exponent(value, text):
    assert style.number(value) == text


@pytest.mark.parametrize(("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_lists_read_as_words(names, text):
    assert style.list_in_words(names) == text


def test_kinds_are_compared_with_the_first_by_their_medians():
    frame = pd.DataFrame({"kind": ["none", "none", "none", "bridge", "bridge"], "value": [1.0, 2.0, 9.0, 7.0, 9.0]})
    assert strips.in_words(frame, "ms") == "The median is 2 ms with none; 4 times that with bridge."


def test_pairs_on_one_network_are_told_from_those_on_two():
    rows = [
        (one, other, networks[one], networks[other], networks[one] == networks[other] or one == "b")
        for networks in [{"a": "x", "b": "x", "c": "y"}]
        for one in networks
        for other in networks
    ]
    frame = pd.DataFrame(rows, columns=["source", "target", "source_network", "target_network", "reached"])
    assert reach.in_words(frame) == ("Of 2 pairs on one network 2 reach each other, of 4 on two different ones 1.")
    without = frame.assign(reached=frame["source_network"] == frame["target_network"])
    assert reach.in_words(without).endswith("of 4 on two different ones none.")

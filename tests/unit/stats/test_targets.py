import numpy as np
import pytest

from labkit.bench.engine import Target
from labkit.plots import targets as plot
from labkit.stats import Targets
from labkit.stats.synthetic import synthetic

AT_MOST = Target("run", "whole_life", "labkit", "crun", 0.6)
AT_LEAST = Target("rate", "whole_life", "labkit", "crun", 1.3, at_least=True)


def verdict(target, medians, noise=0.01, blocks=20):
    frame = Targets([target])(synthetic(medians, blocks=blocks, noise=noise))
    return frame.iloc[0]["verdict"]


@pytest.mark.parametrize(
    ("target", "ratio", "expected"),
    [(AT_MOST, 0.5, "met"), (AT_MOST, 0.7, "missed"), (AT_LEAST, 1.5, "met"), (AT_LEAST, 1.1, "missed")],
)
def test_a_target_is_met_or_missed_by_its_ratio(target, ratio, expected):
    assert verdict(target, {"labkit": ratio, "crun": 1.0}) == expected


@pytest.mark.parametrize(("limit", "expected"), [(0.9, "missed"), (1.1, "met")])
def test_a_limit_is_compared_with_as_if_it_had_been_measured(limit, expected):
    target = Target("run", "whole_life", "labkit", "so long", 1, allowed=limit)
    row = Targets([target])(synthetic({"labkit": 1.0, "crun": 5.0}, blocks=20, noise=0.01)).iloc[0]
    assert row["verdict"] == expected
    assert row["ratio"] == pytest.approx(1 / limit, rel=0.02)
    assert row["low"] < row["ratio"] < row["high"]


def test_a_limit_of_what_was_not_measured_is_not_measured():
    target = Target("run", "whole_life", "labkit", "so long", 1, allowed=1.0)
    assert Targets([target])(synthetic({"crun": 5.0})).iloc[0]["verdict"] == "not measured"


def test_an_interval_that_holds_the_bound_is_said():
    assert verdict(AT_MOST, {"labkit": 0.6, "crun": 1.0}, noise=0.3).endswith(", within the interval")


def test_too_few_rounds_have_no_interval():
    assert verdict(AT_MOST, {"labkit": 0.5, "crun": 1.0}, blocks=3) == "met, without an interval"


def test_a_target_that_lacks_its_baseline_was_not_measured():
    row = Targets([AT_MOST])(synthetic({"labkit": 0.5})).iloc[0]
    assert (row["verdict"], row["n"]) == ("not measured", 0)
    assert np.isnan(row["ratio"])


@pytest.mark.parametrize(("taken", "expected"), [(0.0005, "met"), (0.0007, "missed")])
def test_a_fixed_value_takes_the_baselines_place(taken, expected):
    target = Target("cgroups", "whole_life", "labkit", "0.6 ms", 1.0, allowed=0.0006)
    row = Targets([target, AT_MOST])(synthetic({"labkit": taken}, blocks=20, noise=0.01)).iloc[0]
    assert (row["verdict"], row["n"]) == (expected, 20)
    assert row["ratio"] == pytest.approx(taken / 0.0006, rel=0.05)


def test_nothing_measured_is_every_target_not_measured():
    empty = synthetic({"labkit": 0.5}).iloc[:0]
    assert set(Targets()(empty)["verdict"]) == {"not measured"}


def test_the_sentence_names_what_is_missed_and_what_is_not_decided():
    found = Targets([AT_MOST, AT_LEAST])(synthetic({"labkit": 0.5, "crun": 1.0}, noise=0.01))
    text = plot.sentence(found)
    assert text.startswith("1 of 2 measured targets are met. Not met: rate, labkit ÷ crun, is 0.")
    assert "where 1.3 at least is wanted" in text
    assert "does not decide" not in text


def test_the_figure_has_a_row_for_each_measured_target():
    lacking = Target("state", "state", "labkit-oci", "python", 1.5)
    found = Targets([AT_MOST, AT_LEAST, lacking])(synthetic({"labkit": 0.5, "crun": 1.0}))
    axes = plot.targets(found).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["run\nlabkit ÷ crun", "rate\nlabkit ÷ crun"]


def test_a_difference_of_nothing_can_be_drawn():
    target = Target("added", "whole_life", "labkit", "so long", 1, allowed=1.0)
    found = Targets([target])(synthetic({"labkit": 1.0}, blocks=20, noise=0.01))
    found.loc[0, ["ratio", "low"]] = [0.0, -0.5]
    assert plot.targets(found).axes

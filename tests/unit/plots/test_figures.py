import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.plots import distribution, published, ratio, style
from labkit.stats import Missing, RatioToBaseline
from labkit.stats.synthetic import row, synthetic

METRIC = "first_instruction"
MEDIANS = {"host": 0.001, "crun": 0.008, "runc": 0.02, "runc-again": 0.02, "runsc-ptrace": 0.12}


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    absent = row("runsc-kvm", condition="", status="unavailable", reason="/dev/kvm cannot be opened")
    return pd.concat([synthetic(MEDIANS, conditions=("warm", "cold")), pd.DataFrame([absent])], ignore_index=True)


@pytest.fixture(scope="module")
def ratios(observations) -> pd.DataFrame:
    return pd.concat([RatioToBaseline(baseline, resamples=200)(observations) for baseline in ("runc", "host")])


@pytest.fixture(scope="module")
def figures() -> pd.DataFrame:
    common = {"group": "startup", "metric": "time", "baseline": "runc", "platform": None, "workload": "true"}
    rows = [
        common | {"id": 1, "runtime": "crun", "ratio": 0.5, "source": "a"},
        common | {"id": 2, "runtime": "gvisor", "platform": "ptrace", "ratio": 2.0, "source": "b"},
        common | {"id": 3, "runtime": "gvisor", "ratio": 3.0, "source": "c"},
        common | {"id": 4, "runtime": "kata", "ratio": 5.0, "source": "c", "metric": "cpu time"},
    ]
    return pd.DataFrame(rows)


def rows_of(figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_the_ratio_figure_has_a_panel_per_baseline_and_a_row_per_runtime_fastest_first(observations, ratios):
    figure = ratio.ratio(ratios, Missing()(observations), METRIC)
    assert [axes.get_title() for axes in figure.axes] == ["÷ runc", "÷ host"]
    assert rows_of(figure)[:2] == ["host", "crun"]
    assert rows_of(figure)[-2] == "runsc-ptrace"


def test_the_ratio_figure_names_what_is_not_available_and_why(observations, ratios):
    figure = ratio.ratio(ratios, Missing()(observations), METRIC)
    assert rows_of(figure)[-1] == "runsc-kvm"
    assert any("not available: /dev/kvm" in text.get_text() for text in figure.axes[0].texts)


def test_the_ratio_figure_says_how_many_trials_failed(observations, ratios):
    failed = [row("crun", "warm", 100 + number, 0, status="failed", reason="it died") for number in range(3)]
    missing = Missing()(pd.concat([observations, pd.DataFrame(failed)], ignore_index=True))
    assert rows_of(ratio.ratio(ratios, missing, METRIC))[:2] == ["host", "crun (3 failed)"]


def test_the_conditions_differ_in_marker_and_not_in_colour_alone(observations, ratios):
    figure = ratio.ratio(ratios, Missing()(observations), METRIC)
    lines = [container.lines[0] for container in figure.axes[0].containers]
    assert len({line.get_marker() for line in lines}) == 2


def test_axes_are_logarithmic_and_labelled_with_what_they_show(observations, ratios):
    for figure, unit in (
        (ratio.ratio(ratios, Missing()(observations), METRIC), "ratio"),
        (distribution.distribution(observations, METRIC), "ms"),
    ):
        assert all(axes.get_xscale() == "log" for axes in figure.axes)
        assert "first instruction" in figure.get_supxlabel()
        assert unit in figure.get_supxlabel()


def test_the_distribution_draws_every_trial_in_milliseconds(observations):
    figure = distribution.distribution(observations, METRIC)
    dots = [line for line in figure.axes[0].lines if line.get_linestyle() == "None"]
    drawn = sorted(x for line in dots for x in line.get_xdata())
    warm = observations[(observations["metric"] == METRIC) & (observations["condition"] == "warm")]
    assert drawn == pytest.approx(sorted(warm["value"] * 1000))


def test_the_published_figure_has_a_dot_for_each_start_up_time_and_leaves_out_other_metrics(figures, ratios):
    labels = rows_of(published.published(figures, ratios, METRIC))
    assert labels[-3:] == ["crun, true [a]", "gvisor (ptrace), true [b]", "gvisor, true [c]"]
    assert not any("kata" in label for label in labels)


def test_the_same_data_give_the_same_bytes(observations, ratios):
    drawn = [style.svg(ratio.ratio(ratios, Missing()(observations), METRIC)) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_one_block_is_drawn_without_an_interval():
    few = RatioToBaseline("runc")(synthetic({"runc": 0.02, "crun": 0.01}, blocks=1))
    assert rows_of(ratio.ratio(few, Missing()(synthetic({"runc": 1.0})), METRIC)) == ["crun", "runc"]


@pytest.mark.parametrize("draw", [
    lambda empty: ratio.ratio(RatioToBaseline("runc")(empty), Missing()(empty), METRIC),
    lambda empty: distribution.distribution(empty, METRIC),
])  # fmt: skip
def test_nothing_to_draw_is_said_plainly(draw):
    with pytest.raises(LabkitError, match="drawn"):
        draw(synthetic({"runc": 1.0}).iloc[:0])

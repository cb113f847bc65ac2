import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.nb.published import counterparts, figures
from labkit.plots import beside, controls, costs, heatmap, latency, means, style
from labkit.stats import Beside, Cost, Latency
from labkit.stats.means import Means, published_pairs, such_times
from labkit.stats.missing import missing_pairs
from labkit.stats.synthetic import row, study

SPEEDS = {"host": 30e3, "crun": 25e3, "runc": 25e3, "runc-again": 25e3, "runsc-ptrace": 4e3}


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    failed = pd.DataFrame([row("microvm", "redis", 0, 3, status="failed", reason="no network")])
    values = {
        ("redis", "throughput"): SPEEDS,
        ("redis", "latency_p50"): {name: 10 / speed for name, speed in SPEEDS.items()},
        ("redis", "latency_p99"): {name: 90 / speed for name, speed in SPEEDS.items()},
        ("sysbench-cpu", "throughput"): dict.fromkeys([*SPEEDS, "microvm"], 500.0),
    }
    return pd.concat([study(values), failed], ignore_index=True)


@pytest.fixture(scope="module")
def compared(observations) -> pd.DataFrame:
    return Cost()(observations)


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_the_heat_map_has_a_cell_for_each_pair_and_marks_what_is_missing(observations, compared):
    figure = heatmap.heatmap(compared, missing_pairs(observations), "runc")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["host", "crun", "runsc-ptrace", "microvm"]
    assert {label.get_text() for label in axes.get_yticklabels()} == {"redis", "sysbench-cpu"}
    assert len([area for area in axes.collections if area.get_hatch()]) == 1
    assert "÷ runc" in figure.get_supxlabel()


def test_a_cell_tells_the_ratio_and_its_doubts():
    cell = {"ratio": 2.0, "low": 1.9, "high": 2.1, "n": 20, "warning": ""}
    nan = float("nan")
    assert heatmap.words(cell) == "2"
    assert heatmap.words(cell | {"low": 0.9}) == "(2)"
    assert heatmap.words(cell | {"warning": "it slows down"}) == "2~"
    assert heatmap.words(cell | {"n": 2, "low": nan, "high": nan, "warning": "only 2 blocks"}) == "2?"


def test_the_heat_maps_sentence_counts_what_is_seen(observations, compared):
    said = heatmap.sentence(compared, missing_pairs(observations), "runc")
    assert "Most: redis in runsc-ptrace (6." in said
    assert said.endswith("missing: 1.")
    assert "again" not in said


def test_costs_have_a_row_per_workload_and_a_panel_per_baseline(compared):
    figure = costs.costs(compared)
    assert [axes.get_title() for axes in figure.axes] == ["÷ host", "÷ runc"]
    assert {label.get_text() for label in figure.axes[0].get_yticklabels()} == {"redis", "sysbench-cpu"}
    assert all(axes.get_xscale() == "log" for axes in figure.axes)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["host", "crun", "runc", "runsc-ptrace", "microvm"]


def test_the_sentence_on_costs_tells_the_range_of_each_runtime_and_leaves_out_the_control(compared):
    said = costs.sentence(compared)
    assert "runsc-ptrace" in said
    assert "(redis)" in said
    assert "again" not in said
    assert costs.sentence(compared, "podman") == "Nothing was compared with podman."


def test_runtimes_differ_in_colour_and_in_marker():
    looks = style.looks([*style.RUNTIMES, "kata", "podman:runc"])
    assert len(set(looks.values())) == len(looks)
    assert len({marker for _, marker in looks.values()}) >= len(looks) - 3


def test_the_control_shows_each_workload_and_the_largest_difference(compared):
    assert {label.get_text() for label in controls.controls(compared).axes[0].get_yticklabels()} == {
        "redis",
        "sysbench-cpu",
    }
    assert "of 2 controls leave out 1" in controls.sentence(compared)
    assert "No control has an interval" in controls.sentence(compared.iloc[:0])


def test_latencies_are_drawn_in_milliseconds_and_the_worst_is_named(observations):
    rows = Latency()(observations)
    figure = latency.latency(rows)
    assert "ms" in figure.get_supylabel()
    said = latency.sentence(rows)
    assert "1 % of the requests take" in said
    assert "in runsc-ptrace, 6." in said


def test_published_figures_have_a_row_each_and_the_farthest_is_named(compared):
    found = Beside(figures(), counterparts())(compared)
    assert len(beside.beside(found).axes[0].get_yticks()) == len(found) == 3
    assert "Of 3 published ratios" in beside.sentence(found)
    assert "No published figure" in beside.sentence(found.iloc[:0])


def test_the_pair_that_is_turned_round_is_named():
    said = means.sentence(published_pairs(figures()))
    assert "In 1 of 2 pairs" in said
    assert "10 MB download, gvisor, 1.18 by medians and 0.58 by means" in said


def test_made_up_times_show_median_and_mean(observations):
    base, other = such_times(30, 1.18, 0.1, 12.0, seed=1)
    assert "made up" in means.times(base, other).axes[0].get_xlabel()
    said = means.times_in_words(base, other)
    assert "by medians and 0.5" in said
    assert "are turned round by the choice" in means.own_in_words(Means()(observations))


@pytest.mark.parametrize(
    "draw",
    [
        lambda rows: costs.costs(Cost()(rows)),
        lambda rows: heatmap.heatmap(Cost()(rows), missing_pairs(rows), "runc"),
        lambda rows: controls.controls(Cost()(rows)),
        lambda rows: latency.latency(Latency()(rows)),
        lambda rows: means.means(Means()(rows)),
        lambda rows: beside.beside(Beside(figures(), counterparts())(Cost()(rows))),
    ],
)
def test_nothing_measured_is_said_plainly(observations, draw):
    with pytest.raises(LabkitError):
        draw(observations.iloc[:0])


def test_the_same_rows_give_the_same_bytes(observations, compared):
    drawn = [style.svg(heatmap.heatmap(compared, missing_pairs(observations), "host")) for _ in range(2)]
    assert drawn[0] == drawn[1]

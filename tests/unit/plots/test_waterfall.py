import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.plots import style
from labkit.plots.waterfall import amount, sentence, waterfall
from labkit.stats.contribution import ALONE, COLUMNS, OUT, REST, WHOLE

MS = 1e-3


def contributions(rest=(0.1, -0.1, 0.3), n=20, sides=(ALONE, OUT)):
    parts = {
        "filter": (2, 1.8, 2.2),
        "masks": (0.1, -0.2, 0.4),
        "limits": (-0.5, -0.6, -0.4),
        REST: rest,
        WHOLE: (1.7, 1.5, 1.9),
    }
    rows = [
        ("start-up", "whole_life", side, part, n, *(figure * MS for figure in figures))
        for side in sides
        for part, figures in parts.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_each_bar_begins_where_the_one_above_it_ended():
    figure = waterfall(contributions(), "start-up", "whole_life")
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    reached = 0.0
    for start, width in bars[:-1]:
        assert start == pytest.approx(reached)
        reached = start + width
    # The whole begins at 0, and ends where the last one did.
    assert bars[-1] == pytest.approx((0, reached))


def test_the_dearest_comes_first_and_what_is_of_no_mechanism_last():
    figure = waterfall(contributions(), "start-up", "whole_life")
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "filter",
        "masks",
        "limits",
        REST,
        WHOLE,
    ]
    assert [axes.get_title() for axes in figure.axes] == [ALONE, OUT]
    assert "in ms" in figure.get_supxlabel()


def test_what_cannot_be_told_from_nothing_is_grey_and_what_remains_is_hatched():
    bars = waterfall(contributions(), "start-up", "whole_life").axes[0].patches
    colours = [style.mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in bars]
    assert colours == [style.COLD, "#B0B0B0", style.WARM, "#B0B0B0", style.BASELINE]
    assert [bool(bar.get_hatch()) for bar in bars] == [False, False, False, True, False]


def test_the_same_data_give_the_same_bytes():
    assert len({style.svg(waterfall(contributions(), "start-up", "whole_life")) for _ in range(2)}) == 1


def test_it_says_what_all_cost_who_is_to_blame_and_that_the_sum_is_the_whole():
    text = sentence(contributions(), "start-up", "whole_life")
    assert "all mechanisms together add 1.7 ms (1.5 ms to 1.9 ms)." in text
    assert "Added to the bare one, of 3 mechanisms the dearest are filter 2 ms (1.8 ms to 2.2 ms)." in text
    assert "1 make it cheaper." in text
    assert text.count("Their sum cannot be told from the whole: what is left is 100 µs (−100 µs to 300 µs).") == 2


def test_it_says_what_the_sum_does_not_explain():
    text = sentence(contributions(rest=(0.5, 0.3, 0.7)), "start-up", "whole_life")
    assert "Their sum does not explain the whole: 500 µs (300 µs to 700 µs) comes of their being together." in text


def test_without_intervals_nothing_is_decided():
    frame = contributions(n=3).assign(low=float("nan"), high=float("nan"))
    assert sentence(frame, "start-up", "whole_life").endswith(
        "3 blocks are too few for intervals: which mechanism adds it is not decided."
    )
    assert len(waterfall(frame, "start-up", "whole_life").axes[0].patches) == 5


def test_one_side_alone_is_one_panel():
    assert len(waterfall(contributions(sides=(OUT,)), "start-up", "whole_life").axes) == 1


def test_what_was_not_measured_is_refused_with_the_way_to_measure_it():
    with pytest.raises(LabkitError, match=r"of redis can be drawn: it was not measured.*labkit reproduce"):
        waterfall(contributions(), "redis", "throughput")


def test_a_difference_is_told_in_the_unit_in_which_it_is_best_read():
    assert [amount(value) for value in (2.5, 0.0125, -3.4e-5, 7e-9, 0.0)] == [
        "2.5 s",
        "12.5 ms",
        "−34 µs",
        "7 ns",
        "0 ns",
    ]

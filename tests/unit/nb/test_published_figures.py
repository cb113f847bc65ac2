import pandas as pd

from labkit.nb.published import figures, sources_table
from labkit.plots.published import startup_ratios


def test_every_figure_has_a_source_that_is_listed():
    shown = str(sources_table(figures()).data)
    assert shown.count("<tr") - 1 == figures()["source"].nunique()


def test_a_ratio_that_can_be_checked_is_that_of_its_values():
    rows = figures().dropna(subset=["value", "baseline_value", "ratio"])
    assert len(rows) > 30
    off = (rows["value"] / rows["baseline_value"] / rows["ratio"] - 1).abs()
    # Published values are rounded to two or three digits.
    assert list(rows[off > 0.05]["id"]) == []


def test_the_start_up_ratios_are_times_relative_to_runc():
    rows = startup_ratios(figures())
    assert set(rows["baseline"]) == {"runc"}
    assert rows["ratio"].is_monotonic_increasing
    assert pd.notna(rows["ratio"]).all()

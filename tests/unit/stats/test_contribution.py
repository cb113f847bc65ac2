import numpy as np
import pandas as pd
import pytest

from labkit.stats import Contribution
from labkit.stats.contribution import ALONE, OUT, REST, WHOLE, as_times
from labkit.stats.synthetic import row

NAMES = ("a", "b", "c")
OUT_LABELS = {name: f"without {name}" for name in NAMES}
ALONE_LABELS = {name: f"only {name}" for name in NAMES}


def observed(prices, together=0.0, blocks=40, noise=0.01, seed=1):
    """Blocks in which each mechanism costs its price and, where all three are, `together` comes to it."""
    rng = np.random.default_rng(seed)
    treatments = {"full": set(NAMES), "bare": set()}
    treatments |= {label: set(NAMES) - {name} for name, label in OUT_LABELS.items()}
    treatments |= {label: {name} for name, label in ALONE_LABELS.items()}
    rows = []
    for block in range(blocks):
        common = rng.normal(0, 0.5)
        for label, held in treatments.items():
            value = 10 + common + sum(prices[name] for name in held) + (together if len(held) == 3 else 0)
            rows.append(row(label, "start-up", block, 0, "whole_life", value + rng.normal(0, noise)))
    return pd.DataFrame(rows)


def found(observations, side, **options):
    rows = Contribution(OUT_LABELS, ALONE_LABELS, resamples=500, **options)(observations)
    return rows[rows["side"] == side].set_index("part")


@pytest.mark.parametrize("side", [OUT, ALONE])
def test_prices_that_add_up_are_found_from_both_ends_and_explain_the_whole(side):
    # An interval of 95 % would miss one truth in twenty.
    rows = found(observed({"a": 1, "b": 0.3, "c": 0}), side, level=0.9999)
    assert rows.loc["a", "value"] == pytest.approx(1, abs=0.02)
    assert rows.loc["a", "low"] < 1 < rows.loc["a", "high"]
    assert rows.loc["b", "low"] > 0
    assert rows.loc["c", "low"] <= 0 <= rows.loc["c", "high"]
    assert rows.loc[WHOLE, "value"] == pytest.approx(1.3, abs=0.02)
    assert rows.loc[REST, "low"] <= 0 <= rows.loc[REST, "high"]


def test_what_comes_of_their_being_together_remains_on_one_side_and_is_counted_thrice_on_the_other():
    frame = observed({"a": 1, "b": 0.3, "c": 0}, together=0.5)
    alone, out = found(frame, ALONE), found(frame, OUT)
    assert alone.loc[REST, "value"] == pytest.approx(0.5, abs=0.03)
    assert alone.loc[REST, "low"] > 0
    assert out.loc["c", "value"] == pytest.approx(0.5, abs=0.03)
    assert out.loc[REST, "high"] < 0


@pytest.mark.parametrize("side", [OUT, ALONE])
def test_parts_and_remainder_add_up_to_the_whole_exactly(side):
    rows = found(observed({"a": 1, "b": 0.3, "c": 0.1}, noise=0.3), side)
    assert rows["value"].drop(WHOLE).sum() == pytest.approx(rows.loc[WHOLE, "value"])


def test_the_order_is_that_of_the_mechanisms_and_then_what_is_of_none():
    assert list(found(observed({"a": 1, "b": 0.3, "c": 0}), OUT).index) == [*NAMES, REST, WHOLE]


def test_too_few_blocks_give_values_without_intervals():
    rows = found(observed({"a": 1, "b": 0.3, "c": 0}, blocks=5), OUT)
    assert set(rows["n"]) == {5}
    assert rows["value"].notna().all()
    assert rows["low"].isna().all()


def test_blocks_that_lack_a_treatment_do_not_count():
    frame = observed({"a": 1, "b": 0.3, "c": 0}, blocks=10)
    cut = frame[~((frame["runtime"] == "without a") & (frame["block"] < 3))]
    assert set(found(cut, OUT)["n"]) == {7}
    assert set(found(cut, ALONE)["n"]) == {10}


def test_a_mechanism_that_was_not_measured_is_left_out():
    frame = observed({"a": 1, "b": 0.3, "c": 0})
    rows = found(frame[~frame["runtime"].str.endswith("c")], OUT)
    assert list(rows.index) == ["a", "b", REST, WHOLE]


def test_without_both_ends_there_is_nothing_to_tell():
    frame = observed({"a": 1, "b": 0.3, "c": 0})
    assert Contribution(OUT_LABELS, ALONE_LABELS)(frame[frame["runtime"] != "bare"]).empty


def test_a_rate_becomes_the_time_of_one_operation():
    frame = pd.DataFrame([row("full", value=4.0), row("bare", value=3.0)]).assign(unit=["1/s", "s"])
    assert list(as_times(frame)["value"]) == [0.25, 3.0]
    assert set(as_times(frame)["unit"]) == {"s"}
    assert list(frame["value"]) == [4.0, 3.0]

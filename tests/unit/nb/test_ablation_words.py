import pandas as pd

from labkit.bench import ablation, store
from labkit.nb import ablation as shown
from labkit.stats.synthetic import row


def observations(blocks=8):
    rows = []
    for block in range(blocks):
        for place, label in enumerate(ablation.labels()):
            held = ablation.held(label)
            value = 1e-3 * (5 + block / 10 + len(held & set(ablation.PARTS)) + 3 * ("overlay" in held))
            rows.append(row(label, "start-up", block, place, "whole_life", value))
    return pd.DataFrame(rows)


def test_it_says_how_much_was_measured():
    assert shown.in_words(observations()) == f"start-up: 8 blocks of {len(ablation.labels())} treatments."


def test_without_observations_it_says_how_to_measure_and_has_nothing_to_draw():
    nothing = store.COLUMNS.empty_table().to_pandas()
    assert "`sudo labkit reproduce` measures it" in shown.in_words(nothing)
    assert shown.measured(shown.contributions(nothing)) == []
    assert shown.measured(shown.more(nothing)) == []


def test_each_mechanism_of_the_bundle_has_a_contribution_from_both_ends():
    found = shown.contributions(observations())
    parts = found[found["part"].isin(ablation.PARTS)]
    assert parts.groupby("side")["part"].nunique().tolist() == [len(ablation.PARTS)] * 2
    assert parts["value"].round(9).eq(1e-3).all()


def test_what_the_bundle_lacks_is_told_apart():
    found = shown.more(observations())
    assert set(found["side"]) == {"added to the full one", "added to the bare one"}
    words = shown.more_in_words(found, "start-up")
    assert "an overlay, added to the full one, 3 ms (3 ms to 3 ms)" in words
    assert "an overlay, added to the bare one, 3 ms" in words
    assert "a user namespace, added to the full one, " in words


def test_two_copies_of_one_treatment_are_the_control():
    assert shown.control_in_words(observations()) == "start-up: 1 to 1 contains 1, as it must."
    assert shown.control_in_words(observations(3)) == "start-up: 3 blocks are too few for an interval."
    assert shown.control_in_words(observations().iloc[:0]) == "The control was not measured."

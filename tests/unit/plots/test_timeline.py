import pytest

from labkit.errors import LabkitError
from labkit.plots import timeline

SPANS = [
    ("parent", "MakeCgroup", 5_000_000, 5_100_000),
    ("parent", "MakeCgroup", 5_150_000, 5_300_000),
    ("child", "PivotRoot", 5_400_000, 5_900_000),
    ("child", "Execute", 5_900_000, 7_000_000),
]


def test_like_steps_that_follow_each_other_are_one_run():
    rows = timeline.runs(SPANS)
    assert rows["step"].tolist() == ["MakeCgroup", "PivotRoot", "Execute"]
    assert rows["count"].tolist() == [2, 1, 1]
    assert rows["begin"].tolist() == [0, 400, 900]
    assert rows["end"].tolist() == [300, 900, 2000]
    # The pause between the two is in the bar, and not in what they took.
    assert rows["took"].tolist() == [250, 500, 1100]


def test_the_sentence_has_the_whole_and_the_dearest():
    text = timeline.sentence(SPANS)
    assert "2000 µs" in text
    assert text.index("Execute (1100 µs)") < text.index("PivotRoot (500 µs)")


def test_the_figure_has_a_bar_for_each_run_and_a_unit():
    axes = timeline.timeline(SPANS).axes[0]
    assert len(axes.patches) == 3
    assert "µs" in axes.get_xlabel()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["MakeCgroup ×2", "PivotRoot", "Execute"]


def test_nothing_traced_is_said():
    with pytest.raises(LabkitError, match="no step was traced"):
        timeline.runs([])

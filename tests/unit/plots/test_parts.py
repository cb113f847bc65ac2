import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.plots import parts

ROWS = pd.DataFrame(
    [
        {"runtime": "runc", "part": "payload", "memory": 1.0},
        {"runtime": "runc", "part": "runtime", "memory": 9.0},
        {"runtime": "runsc", "part": "sentry", "memory": 30.0},
        {"runtime": "runsc", "part": "gofer", "memory": 10.0},
        {"runtime": "runsc", "part": "stub", "memory": 5.0},
    ]
)


def test_memory_is_summed_by_runtime_and_group():
    sums = parts.grouped(ROWS)
    assert list(sums.index) == ["runc", "runsc"]
    assert sums.loc["runsc", "kernel of its own"] == 35
    assert sums.loc["runsc", "helper"] == 10
    assert sums.loc["runc", "payload"] == 1


def test_the_sentence_names_the_extremes():
    said = parts.sentence(ROWS)
    assert "10 MiB in runc" in said
    assert "45 MiB in runsc" in said
    assert "0 %" in said


def test_a_bar_for_each_runtime_with_its_unit():
    (axes,) = parts.parts(ROWS).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["runc", "runsc"]
    assert "MiB" in axes.get_xlabel()


def test_nothing_seen_is_one_line():
    with pytest.raises(LabkitError, match="no sandbox was seen"):
        parts.parts(ROWS.iloc[:0])

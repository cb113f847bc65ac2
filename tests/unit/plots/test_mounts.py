import pandas as pd
import pytest

from labkit.plots import mounts, style


@pytest.fixture
def frame():
    rows = [(26, "Clone", 20), (42, "OverlayRoot", 22), (43, "MountFilesystem", 46), (87, "PivotRoot", 25)]
    return pd.DataFrame(rows, columns=["number", "step", "mounts"])


def test_the_sentence_has_the_beginning_the_most_and_the_end(frame):
    assert mounts.sentence(frame) == (
        "The process begins with a copy of the host's 20 mounts, has 46 after step 43 (MountFilesystem), and ends with "
        "25, all of them its own."
    )


def test_the_axes_have_names_and_units_and_the_exchange_is_marked(frame):
    (axes,) = mounts.by_step(frame).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step of the plan (number)", "mounts it sees (number)")
    assert [text.get_text() for text in axes.texts] == ["PivotRoot"]
    assert axes.get_ylim()[0] == 0


def test_it_is_drawn(frame):
    assert style.svg(mounts.by_step(frame)).count("<path") > 10

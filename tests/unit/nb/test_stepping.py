import pandas as pd
import pytest

from labkit.nb import stepping


@pytest.fixture
def frame():
    rows = [
        (1, "parent", "MakeCgroup", "make the cgroup a", ("cgroups: new a",)),
        (2, "parent", "MakeCgroup", "make the cgroup b", ("cgroups: new b", "limit: <none>")),
        (3, "child", "NewKeyring", "begin a keyring", ()),
    ]
    return pd.DataFrame(rows, columns=list(stepping.COLUMNS))


def test_like_steps_that_follow_each_other_are_one_row(frame):
    shown = stepping.steps_table(frame).data
    assert '<td>1–2</td><td>parent</td><th scope="row">MakeCgroup</th>' in shown
    assert "cgroups: new a, b<br>limit: &lt;none&gt;" in shown


def test_a_step_that_changes_nothing_visible_says_what_it_did(frame):
    assert f">{stepping.NOTHING}: begin a keyring</td>" in stepping.steps_table(frame).data


def test_the_sentence_counts_and_names_the_step_with_most(frame):
    assert stepping.in_words(frame) == (
        "2 of 3 steps changed something that /proc or the cgroup trees show; MakeCgroup changed most at once: 2 lines."
    )

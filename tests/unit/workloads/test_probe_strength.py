import pandas as pd
import pytest

from labkit.workloads.probe.strength import no_weaker, weaker


@pytest.mark.parametrize(
    ("kind", "stronger", "weaker"),
    [
        ("can", "EPERM", "yes"),
        ("can", "empty", "yes"),
        ("set", "a", "a b"),
        ("set", "", "a"),
        ("count", "9", "10"),
        ("level", "2", "1"),
        ("level", "1", ""),
        ("namespace", "its own", "the host's"),
    ],
)
def test_each_kind_has_its_order(kind, stronger, weaker):
    assert no_weaker(kind, stronger, weaker)
    assert not no_weaker(kind, weaker, stronger)
    assert no_weaker(kind, stronger, stronger)
    assert no_weaker(kind, weaker, weaker)


def test_refusals_are_alike_whatever_they_are():
    assert no_weaker("can", "ENOSYS", "EPERM")
    assert no_weaker("can", "EPERM", "ENOSYS")


def test_sets_of_which_none_holds_the_other_are_each_weaker():
    assert not no_weaker("set", "a b", "b c")
    assert not no_weaker("set", "b c", "a b")


def test_facts_have_no_order():
    assert no_weaker("fact", "1", "2")


def frame(*rows):
    return pd.DataFrame(rows, columns=["area", "question", "kind", "answer"])


def test_the_weaker_rows_are_given_with_both_answers():
    mine = frame(("a", "mount", "can", "yes"), ("a", "mknod", "can", "EPERM"))
    other = frame(("a", "mknod", "can", "yes"), ("a", "mount", "can", "EPERM"))
    assert weaker(mine, other).to_dict("records") == [
        {"area": "a", "question": "mount", "mine": "yes", "other": "EPERM"}
    ]
    assert weaker(mine, mine).empty

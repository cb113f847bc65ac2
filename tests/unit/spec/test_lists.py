import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.spec.lists import parse_list


@pytest.mark.parametrize(
    ("words", "numbers"),
    [("", ()), (" ", ()), ("0", (0,)), ("0-3,7", (0, 1, 2, 3, 7)), ("7, 1-2,2", (1, 2, 7)), ("5-5", (5,))],
)
def test_numbers_and_ranges(words, numbers):
    assert parse_list(words) == numbers


@pytest.mark.parametrize("words", [",", "1,", "-1", "1-", "3-1", "a", "1-2-3", "0x1", "99999", "\u0663", "1 2"])
def test_what_is_no_list(words):
    with pytest.raises(ValueError, match="no list of numbers"):
        parse_list(words)


@given(st.sets(st.integers(0, 200)))
def test_every_set_can_be_written(numbers):
    assert parse_list(",".join(map(str, numbers))) == tuple(sorted(numbers))

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabkitError
from labkit.spec.units import parse_bytes, parse_count, parse_cpus


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", 1),
        ("64B", 64),
        ("4k", 4096),
        ("64M", 2**26),
        ("64MB", 2**26),
        ("64MiB", 2**26),
        ("1.5G", 3 * 2**29),
        ("2T", 2**41),
        (" 8M ", 2**23),
        (4096, 4096),
        (4096.0, 4096),
    ],
)
def test_amounts_of_memory(text, amount):
    assert parse_bytes(text, "memory limit") == amount


@pytest.mark.parametrize(
    "text", ["64Q", "", "M", "-1", "0", "1.2.3", "1e3", "٣", "0x10", "64 M B", "9" * 400 + ".5", -5]
)
def test_what_is_no_amount_of_memory_is_quoted(text):
    with pytest.raises(LabkitError) as caught:
        parse_bytes(text, "memory limit")
    assert repr(text) in caught.value.message
    assert caught.value.hint


@given(st.integers(1, 2**40))
def test_a_number_of_bytes_is_itself(number):
    assert parse_bytes(str(number), "x") == parse_bytes(number, "x") == number


@given(st.text(max_size=8))
def test_any_text_is_an_amount_or_an_error(text):
    try:
        amount = parse_bytes(text, "x")
    except LabkitError:
        return
    assert 0 < amount < 2**63


@pytest.mark.parametrize("text", ["3.5", "many", "0", "-1", 1.5, 2**22 + 1])
def test_what_is_no_count_is_refused(text):
    with pytest.raises(LabkitError, match="process limit"):
        parse_count(text, "process limit")


@pytest.mark.parametrize("text", ["nan", "inf", "0", "-1", "two", "0.001"])
def test_what_is_no_number_of_cpus_is_refused(text):
    with pytest.raises(LabkitError, match="CPU limit"):
        parse_cpus(text, "CPU limit")


def test_a_fraction_of_a_cpu():
    assert parse_cpus("0.25", "CPU limit") == 0.25
    assert parse_count("7", "process limit") == 7

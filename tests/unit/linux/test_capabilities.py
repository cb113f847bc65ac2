import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.linux import capabilities


@given(st.sets(st.sampled_from(sorted(capabilities.NUMBERS))))
def test_a_mask_gives_its_names_again(names):
    assert set(capabilities.names(capabilities.mask(list(names)))) == names


def test_numbers_are_those_of_the_kernels_header():
    # include/uapi/linux/capability.h
    numbers = {"CAP_CHOWN": 0, "CAP_SETUID": 7, "CAP_SYS_ADMIN": 21, "CAP_AUDIT_READ": 37, "CAP_CHECKPOINT_RESTORE": 40}
    assert {name: capabilities.NUMBERS[name] for name in numbers} == numbers


def test_a_capability_newer_than_the_table_is_named_by_number():
    assert capabilities.names(1 << 63) == ["CAP_63"]


def test_the_five_sets_of_this_process_are_read():
    assert list(capabilities.read_sets()) == list(capabilities.SETS)
    assert capabilities.read_sets() == capabilities.read_sets(str(os.getpid()))


def test_one_that_is_newer_than_the_table_is_taken_by_number():
    first = len(capabilities.NAMES)
    assert capabilities.number(f"CAP_{first}") == first
    assert capabilities.mask(["CAP_CHOWN", "CAP_63"]) == 1 << 63 | 1
    assert capabilities.names(capabilities.mask([f"CAP_{first}"])) == [f"CAP_{first}"]


@pytest.mark.parametrize(
    "name", ["CAP_0", "CAP_40", "CAP_64", "CAP_063", "CAP_", "CAP_-1", "63", "CAP_FLY", "CAP_\u0666\u0663"]
)
def test_what_is_no_capability_has_no_number(name):
    assert capabilities.number(name) is None
    with pytest.raises(KeyError, match=name):
        capabilities.mask([name])


def test_the_permitted_set_is_that_of_procfs():
    assert capabilities.permitted() == capabilities.read_sets()["permitted"]

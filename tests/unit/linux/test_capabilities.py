import os

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

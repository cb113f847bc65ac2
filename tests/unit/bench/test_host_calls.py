from collections import Counter

import pytest

from labkit.bench.host_calls import Heard, calls_measured, functions_measured
from labkit.errors import LabkitError
from labkit.linux.libseccomp import syscall_number


def values(measured):
    return {one.metric: one.value for one in measured}


def test_calls_are_counted_in_all_and_by_name():
    read, write = syscall_number("read"), syscall_number("write")
    found = values(calls_measured(Heard(Counter({read: 5, write: 2}))))
    assert found == {"host_syscalls": 2, "host_syscalls_made": 7, "call read": 5, "call write": 2}


def test_a_number_without_a_name_is_a_call_too():
    assert values(calls_measured(Heard(Counter({9999: 1}))))["call number 9999"] == 1


def test_lost_calls_spoil_the_count():
    with pytest.raises(LabkitError, match="3 system calls were lost"):
        calls_measured(Heard(Counter({0: 1}), lost=3))


def test_lost_functions_are_told_as_a_part_of_all():
    found = values(functions_measured(Heard(Counter({0xFFFF0000: 2, 0xFFFF0010: 1}), lost=1)))
    assert found == {"host_functions": 2, "host_functions_lost": 0.25}
    assert values(functions_measured(Heard()))["host_functions_lost"] == 0

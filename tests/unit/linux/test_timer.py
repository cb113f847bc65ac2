import os

from labkit.linux.descriptors import readable
from labkit.linux.timer import timer


def test_it_is_readable_when_the_time_has_passed_and_not_before():
    soon, late = timer(1), timer(3600 * 10**9)
    try:
        assert readable(soon, 10_000)
        assert not readable(late, 0)
        assert not os.get_inheritable(soon)
    finally:
        os.close(soon)
        os.close(late)

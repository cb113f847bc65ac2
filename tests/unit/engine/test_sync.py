import os
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.engine import sync

PLAIN = st.recursive(st.none() | st.integers() | st.text() | st.binary(), lambda inner: st.tuples(inner, inner))


@pytest.fixture
def ends():
    one, other = sync.pair()
    yield one, other
    one.close()
    other.close()


@given(st.tuples(PLAIN))
def test_a_message_arrives_as_it_was(message):
    one, other = sync.pair()
    sync.send(one, message)
    assert sync.receive(other) == (message, [])
    one.close()
    other.close()


@pytest.mark.parametrize("size", [10, 99_000, 101_000, 5_000_000])
def test_a_message_of_any_size_arrives_whole_with_its_descriptors(ends, size):
    one, other = ends
    sync.send(one, ("run", b"x" * size), (0, 1, 2))
    message, descriptors = sync.receive(other)
    assert message == ("run", b"x" * size)
    assert len(descriptors) == 3
    assert not any(os.get_inheritable(number) for number in descriptors)
    for number in descriptors:
        os.close(number)


def test_a_dead_end_is_told_apart_from_silence(ends):
    one, other = ends
    other.close()
    with pytest.raises(sync.Dead):
        sync.send(one, ("go",))
    with pytest.raises(sync.Dead):
        sync.receive(one)


def test_what_was_sent_before_the_death_still_arrives(ends):
    one, other = ends
    sync.send(one, ("last",))
    one.close()
    assert sync.receive(other)[0] == ("last",)
    with pytest.raises(sync.Dead):
        sync.receive(other)


def test_descriptors_that_find_no_room_are_an_error_and_none_is_left_open(ends):
    one, other = ends
    sync.send(one, ("run",), (0, 1, 2))
    before = set(os.listdir("/proc/self/fd"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in before)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
    fillers = []
    try:
        # Every number below the limit that is still free, so that none is left for what arrives.
        fillers += [os.dup(0) for _ in range(highest + 1 - len(os.listdir("/proc/self/fd")) + 1)]
        with pytest.raises(OSError, match="Too many open files"):
            sync.receive(other)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for number in fillers:
            os.close(number)
    assert set(os.listdir("/proc/self/fd")) == before


def test_the_last_words_arrive_of_one_that_did_not_read_what_it_was_told():
    ours, theirs = sync.pair()
    sync.send(ours, ("go",))
    sync.send(theirs, ("error", "why"))
    theirs.close()
    assert sync.receive(ours)[0] == ("error", "why")
    with pytest.raises(sync.Dead):
        sync.receive(ours)
    ours.close()

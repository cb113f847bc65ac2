import os
import select

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.vm.flow import Flow, until_mark

MARK = b"abac"


@given(st.lists(st.text("abc", max_size=9).map(str.encode)))
def test_a_stream_cut_anywhere_comes_out_as_it_went_in_up_to_the_mark(pieces):
    stream = b"".join(pieces)
    if MARK in stream:
        return
    out, held = b"", b""
    for piece in [*pieces, MARK[:2], MARK[2:]]:
        before, held, ended = until_mark(held + piece, MARK)
        out += before
    assert ended
    assert (out, held) == (stream, b"")


def test_what_cannot_be_the_mark_is_not_held_back():
    assert until_mark(b"hello", MARK) == (b"hello", b"", False)
    assert until_mark(b"hello ab", MARK) == (b"hello ", b"ab", False)


@pytest.fixture
def pipes():
    """The source's two ends and the sink's two ends, none of which blocks."""
    ends = [*os.pipe(), *os.pipe()]
    for end in ends:
        os.set_blocking(end, False)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # the test closed it


def run(flow):
    """Until there is nothing to do at once."""
    while (wanted := flow.wanted()) is not None and select.select(*_sets(wanted), 0) != ([], [], []):
        flow.move()


def _sets(wanted):
    descriptor, events = wanted
    return ([descriptor], [], []) if events == select.POLLIN else ([], [descriptor], [])


def test_nothing_is_read_before_what_was_read_is_written(pipes):
    source, feed, drain, sink = pipes
    while select.select([], [sink], [], 0)[1]:
        os.write(sink, bytes(4096))
    flow = Flow(source, sink)
    os.write(feed, b"first")
    run(flow)
    os.write(feed, b"second")
    run(flow)
    assert flow.blocked
    assert os.read(source, 100) == b"second"
    os.read(drain, 1 << 20)
    run(flow)
    assert os.read(drain, 100) == b"first"


def test_the_end_of_the_source_ends_it_with_all_that_was_held(pipes):
    source, feed, drain, sink = pipes
    flow = Flow(source, sink, MARK)
    os.write(feed, b"x" + MARK[:3])
    os.close(feed)
    run(flow)
    assert flow.ended
    assert os.read(drain, 100) == b"x" + MARK[:3]


def test_the_mark_ends_it_and_is_not_passed_on(pipes):
    source, feed, drain, sink = pipes
    flow = Flow(source, sink, MARK)
    os.write(feed, b"x\0\n" + MARK)
    run(flow)
    assert flow.ended
    assert os.read(drain, 100) == b"x\0\n"

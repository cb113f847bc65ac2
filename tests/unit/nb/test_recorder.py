import threading

import pytest

from labkit.errors import LabkitError
from labkit.nb.recorder import Recorder


def counting(upto):
    """Figures 0, 1, 2, …, and none after the last."""
    numbers = iter(range(upto))
    return lambda: {"number": number} if (number := next(numbers, None)) is not None else {}


def test_it_is_over_when_there_are_no_figures_any_more():
    with Recorder(counting(3), 0.001) as recorder:
        assert recorder.over(30)
    frame = recorder.frame()
    assert list(frame["number"]) == [0, 1, 2]
    assert frame["time"].iloc[0] == 0
    assert frame["time"].is_monotonic_increasing


def test_a_container_that_has_ended_is_the_end():
    def read():
        raise LabkitError("container x has ended")

    with Recorder(read, 0.001) as recorder:
        assert recorder.over(30)
    assert recorder.frame().empty


def test_what_was_read_so_far_can_be_looked_at_while_it_goes_on():
    twice, end = threading.Event(), threading.Event()
    readings = []

    def read():
        readings.append(None)
        if len(readings) == 3:
            twice.set()
            end.wait(30)
        return {"number": len(readings)}

    with Recorder(read, 0.001) as recorder:
        assert twice.wait(30)
        assert list(recorder.frame()["number"]) == [1, 2]
        assert not recorder.over(0)
        end.set()
    assert recorder.over(0)


@pytest.mark.parametrize("interval", [0.001, 0.05])
def test_the_end_of_the_block_ends_it(interval):
    with Recorder(lambda: {"number": 1}, interval) as recorder:
        pass
    assert recorder.over(0)


def test_it_has_begun_when_there_is_something_to_look_at():
    with Recorder(lambda: {"number": 1}, 0.001) as recorder:
        recorder.begun()
        assert len(recorder.frame())


def test_waiting_for_the_first_reading_ends_where_there_is_none():
    with Recorder(counting(0), 0.001) as recorder:
        recorder.begun()
        assert recorder.over(30)
    assert recorder.frame().empty

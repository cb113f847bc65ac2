import os

from labkit.workloads import density


def test_all_below_a_process_are_found_and_no_others():
    parents = {2: 1, 3: 2, 4: 3, 5: 1, 6: 4}
    assert density.descendants(2, parents) == {3, 4, 6}
    assert density.descendants(6, parents) == set()


def test_a_full_pipe_takes_not_one_byte_more():
    reading, writing = os.pipe()
    try:
        density._fill(writing)
        assert os.get_blocking(writing)
        os.set_blocking(writing, False)
        try:
            taken = os.write(writing, b".")
        except BlockingIOError:
            taken = 0
        assert taken == 0
    finally:
        os.close(reading)
        os.close(writing)


def test_this_process_has_memory():
    assert density.pss(os.getpid()) > 1_000_000

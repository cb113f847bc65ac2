from collections import Counter
from itertools import pairwise

import pytest

from labkit.bench.design import blocks, williams

RUNTIMES = ("host", "runc", "crun", "labkit")


def orders(trials):
    """The runtimes of each block, in their order."""
    found = {}
    for trial in trials:
        found.setdefault(trial.block, []).append(trial.runtime)
    return found


def test_every_block_runs_every_runtime_once():
    for order in orders(blocks("startup", "warm", RUNTIMES, range(10), seed=1)).values():
        assert sorted(order) == sorted(RUNTIMES)


def test_positions_count_within_a_block():
    trials = blocks("startup", "warm", RUNTIMES, range(3), seed=1)
    assert [t.position for t in trials] == [0, 1, 2, 3] * 3


@pytest.mark.parametrize("count", range(1, 12))
def test_in_a_square_each_follows_each_other_equally_often(count):
    rows = williams(count)
    assert all(sorted(row) == list(range(count)) for row in rows)
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(follows) == count * (count - 1)
    assert set(follows.values()) <= {1 if count % 2 == 0 else 2}


@pytest.mark.parametrize("count", range(1, 12))
def test_in_a_square_each_stands_in_each_place_equally_often(count):
    rows = williams(count)
    for place in range(count):
        assert set(Counter(row[place] for row in rows).values()) == {len(rows) // count}


def test_the_drawn_blocks_are_such_squares():
    trials = blocks("startup", "warm", RUNTIMES, range(4 * 25), seed=7)
    follows = Counter(pair for order in orders(trials).values() for pair in pairwise(order))
    assert set(follows.values()) == {25}
    assert len(follows) == 12


def test_squares_differ_from_each_other():
    found = orders(blocks("startup", "warm", RUNTIMES, range(80), seed=1))
    assert len({tuple(order) for order in found.values()}) > 12


def test_more_blocks_leave_the_first_ones_as_they_were():
    few = blocks("startup", "warm", RUNTIMES, range(5), seed=1)
    assert blocks("startup", "warm", RUNTIMES, range(50), seed=1)[: len(few)] == few


def test_seed_and_condition_change_the_order():
    first = blocks("startup", "warm", RUNTIMES, range(20), seed=1)
    assert [t.runtime for t in blocks("startup", "warm", RUNTIMES, range(20), seed=2)] != [t.runtime for t in first]
    assert [t.runtime for t in blocks("startup", "cold", RUNTIMES, range(20), seed=1)] != [t.runtime for t in first]


def test_keys_are_unique():
    trials = [t for name in ("warm", "cold") for t in blocks("startup", name, RUNTIMES, range(30), seed=1)]
    assert len({t.key for t in trials}) == len(trials)

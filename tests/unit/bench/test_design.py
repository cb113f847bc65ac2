from labkit.bench.design import blocks

RUNTIMES = ("host", "runc", "crun", "labkit")


def test_every_block_runs_every_runtime_once():
    trials = blocks("startup", "warm", RUNTIMES, range(10), seed=1)
    for block in range(10):
        assert sorted(t.runtime for t in trials if t.block == block) == sorted(RUNTIMES)


def test_positions_count_within_a_block():
    trials = blocks("startup", "warm", RUNTIMES, range(3), seed=1)
    assert [t.position for t in trials] == [0, 1, 2, 3] * 3


def test_orders_differ_between_blocks():
    trials = blocks("startup", "warm", RUNTIMES, range(20), seed=1)
    orders = {tuple(t.runtime for t in trials if t.block == block) for block in range(20)}
    assert len(orders) > 5


def test_every_runtime_comes_first_about_equally_often():
    trials = blocks("startup", "warm", RUNTIMES, range(400), seed=1)
    first = [t.runtime for t in trials if t.position == 0]
    assert all(70 < first.count(runtime) < 130 for runtime in RUNTIMES)


def test_more_blocks_leave_the_first_ones_as_they_were():
    few = blocks("startup", "warm", RUNTIMES, range(5), seed=1)
    assert blocks("startup", "warm", RUNTIMES, range(50), seed=1)[: len(few)] == few


def test_seed_and_condition_change_the_order():
    first = blocks("startup", "warm", RUNTIMES, range(20), seed=1)
    assert [t.runtime for t in blocks("startup", "warm", RUNTIMES, range(20), seed=2)] != [t.runtime for t in first]
    assert [t.runtime for t in blocks("startup", "cold", RUNTIMES, range(20), seed=1)] != [t.runtime for t in first]


def test_keys_are_unique():
    trials = blocks("startup", "warm", RUNTIMES, range(30), seed=1) + blocks(
        "startup", "cold", RUNTIMES, range(30), seed=1
    )
    assert len({t.key for t in trials}) == len(trials)

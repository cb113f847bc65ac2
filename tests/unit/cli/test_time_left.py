from labkit.cli.reproduce import Left, cells_told


def test_the_time_left_follows_from_the_pace_so_far():
    left = Left()
    assert left.in_words(0, 100, now=50.0) == ""
    assert left.in_words(10, 100, now=60.0) == ", about 2 min left"
    assert left.in_words(50, 100, now=100.0) == ", about 50 s left"


def test_nothing_is_said_at_once_and_at_the_end():
    left = Left()
    left.in_words(0, 10, now=1.0)
    assert left.in_words(1, 10, now=1.5) == ""
    assert left.in_words(10, 10, now=60.0) == ""


def test_another_phase_has_a_pace_of_its_own():
    left = Left()
    left.in_words(0, 10, now=0.0)
    left.in_words(5, 10, now=1000.0)
    assert left.in_words(0, 20, now=1010.0) == ""
    assert left.in_words(10, 20, now=1020.0) == ", about 10 s left"


def test_what_is_left_of_the_budget_is_the_most():
    left = Left(budget=600.0)
    left.in_words(0, 1000, now=0.0)
    assert left.in_words(10, 1000, now=300.0) == ", about 5 min left"
    assert left.in_words(11, 1000, now=700.0) == ", about 0 s left"


def test_notebooks_that_are_executed_at_once_add_up():
    told: list[tuple[int, int, str]] = []
    report = cells_told(lambda *what: told.append(what), 4)
    report("one", 1, 2)
    report("two", 0, 2)
    report("two", 1, 2)
    assert told == [(1000, 4000, "one"), (1500, 4000, "two"), (2000, 4000, "two")]

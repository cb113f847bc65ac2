from labkit.engine.trace import table

SPANS = [
    ("child", "PivotRoot", 3_000_000, 3_500_000),
    ("parent", "MakeCgroup", 1_000_000, 1_250_000),
]


def test_steps_are_listed_as_they_began_with_microseconds_from_the_first():
    lines = table(SPANS).splitlines()
    assert lines[1].split()[:4] == ["parent", "MakeCgroup", "0", "250"]
    assert lines[2].split()[:4] == ["child", "PivotRoot", "2000", "500"]


def test_the_last_line_is_the_whole():
    assert table(SPANS).splitlines()[-1].split()[-1] == "2500"


def test_bars_are_to_scale():
    first, second = table(SPANS, width=50).splitlines()[1:3]
    assert first.endswith("  #####")
    assert second.endswith("  " + " " * 40 + "#" * 10)


def test_nothing_traced_is_said():
    assert table([]) == "no step was traced"

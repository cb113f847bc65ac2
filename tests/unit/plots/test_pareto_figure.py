import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.plots import style
from labkit.plots.pareto import pareto, sentence
from labkit.stats import ParetoFront


def points():
    cost = {"host": 1.0, "runc": 1.1, "microvm": 1.8, "runsc": 2.5, "near": 1.12}
    reach = {"host": 50, "runc": 45, "microvm": 30, "runsc": 40, "near": 45}
    frames = [
        pd.DataFrame(
            [
                {"workload": "redis", "runtime": name, "value": value, "low": value - spread, "high": value + spread}
                for name, value in those.items()
            ]
        )
        for those, spread in ((cost, 0.04), (reach, 0))
    ]
    return ParetoFront()(*frames)


def test_the_front_is_filled_and_joined_from_fast_to_narrow():
    axes = pareto(points(), "host_syscalls").axes[0]
    dashed = next(line for line in axes.lines if line.get_linestyle() == "--")
    assert list(dashed.get_xdata()) == [1.1, 1.8]
    assert list(dashed.get_ydata()) == [45, 30]
    assert axes.get_title() == "redis"


def test_each_runtime_is_named_at_its_point():
    figure = pareto(points(), "host_syscalls")
    axes = figure.axes[0]
    assert {text.get_text() for text in axes.texts} == {"host", "runc", "microvm", "runsc", "near"}
    assert figure.get_supylabel() == "distinct system calls of the host"


def test_many_workloads_are_in_rows_and_names_at_one_height_are_apart():
    several = pd.concat([points().assign(workload=f"load {n}", reach=40) for n in range(6)])
    axes = pareto(several, "host_syscalls").axes
    assert [panel.get_title() for panel in axes] == [f"load {n}" for n in range(6)]
    assert len({panel.get_position().y0 for panel in axes}) == 2
    heights = [text.xyann[1] for text in axes[0].texts]
    assert len(set(heights)) == len(heights)


def test_it_says_who_is_on_the_front_who_is_beaten_and_of_whom_it_is_open():
    assert sentence(points(), "host_syscalls") == (
        "In brackets the time as a ratio to host, and the number of distinct system calls of the host. "
        "redis: on the front are runc (1.1; 45) and microvm (1.8; 30). host has 50. "
        "runsc is beaten in both by another. Of near the intervals do not decide."
    )


def test_the_same_data_give_the_same_bytes():
    assert len({style.svg(pareto(points(), "host_syscalls")) for _ in range(2)}) == 1


def test_without_points_it_is_refused_with_the_way_to_measure_them():
    with pytest.raises(LabkitError, match=r"no workload has both.*labkit reproduce"):
        pareto(points().iloc[:0], "host_syscalls")
    assert sentence(points().iloc[:0], "host_syscalls") == "No workload has both a cost and a measure of isolation."

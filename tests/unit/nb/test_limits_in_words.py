"""What the measurements of each limit say and draw, of figures that are known."""

import os

import pandas as pd
import pytest

from labkit.nb import contention, forks, memory, pressure, throttling, transfer
from labkit.plots import cumulative, response

MIB = 2**20
NONE = float("nan")


def curve(got=1.0, free=1.0):
    """Six windows in which each quota is met, but for the factor `got`."""
    rows = [
        {"window": window, "asked": asked, "got": asked * got, "throttled": 1.0, "work": asked * got}
        for window in range(6)
        for asked in (0.25, 0.5)
    ]
    unlimited = [{"window": w, "asked": NONE, "got": free, "throttled": 0.0, "work": 1.0} for w in range(6)]
    return pd.DataFrame(rows + unlimited)


def test_a_quota_that_is_met_and_one_that_is_not():
    assert "The interval holds the quota itself for 2 of them." in throttling.in_words(curve())
    said = throttling.in_words(curve(got=1.1))
    assert "10.0% off" in said
    assert "for 0 of them" in said


def test_a_host_that_was_busy_is_told_of():
    assert "busy" not in throttling.in_words(curve())
    assert "under no quota the loop got 0.60 CPUs" in throttling.in_words(curve(free=0.6))


def test_the_loops_own_speed_is_held_against_its_quota():
    said = throttling.work_in_words(curve())
    assert "Under a quota of 0.5 CPUs the loop was stopped in 100% of the periods and went at 50%" in said
    assert said.endswith("speed ÷ CPU time is 1.")


def test_the_quota_figure_has_both_counts_the_ideal_and_the_ceiling():
    (axes,) = throttling.figure(curve()).axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels[:2] == ["as asked", "under no limit"]
    assert len(labels) == 4
    assert (axes.get_xlabel(), "CPUs" in axes.get_ylabel()) == ("quota, CPUs", True)
    ideal = axes.lines[0]
    assert list(ideal.get_xdata()) == list(ideal.get_ydata())


def test_the_longest_wait_is_found_for_each_period():
    used = [0.0, 0.01, 0.01, 0.01, 0.02]
    steps = pd.concat(
        pd.DataFrame({"period": period, "time": [step * period for step in range(5)], "used": used})
        for period in (0.02, 0.1)
    )
    said = throttling.stairs_in_words(steps)
    assert (
        said == "The loop stands still for up to 60 ms with a period of 20 ms and up to 300 ms with a period of 100 ms."
    )
    (axes,) = throttling.stairs_figure(steps, 0.3).axes
    assert axes.get_ylabel() == "CPU time used, ms"


def pairs(stalled=0.8):
    rows = [
        {"shares": shares, "expected": part, "window": window, "got": part, "ran": part, "stalled": stalled,
         "other_ran": 1 - part, "other_stalled": part}
        for window in range(6)
        for shares, part in ((256, 0.2), (1024, 0.5))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_parts_of_the_cpu_are_held_against_the_weights():
    said = contention.in_words(pairs())
    assert "ask for 20% to 50% of the CPU, the first container got 20.0% to 50.0%" in said
    assert "0.0 percentage points" in said
    (axes,) = contention.figure(pairs()).axes
    assert axes.get_xlabel().endswith("%")


def test_waits_are_told_or_why_there_are_none():
    assert "ran for 20% of the time and stood still for 80%" in contention.stalls_in_words(pairs())
    assert "no pressure stall information" in contention.stalls_in_words(pairs(stalled=NONE))


def growth(failures=0, reason="killed: out of memory, limit 4 MiB, peak 4 MiB"):
    samples = pd.DataFrame({"time": [0, 1, 2], "usage": [MIB, 3 * MIB, MIB], "peak": [MIB, 3 * MIB, 3 * MIB]})
    return memory.Growth(samples.assign(limit=4 * MIB, failures=failures), 137, reason)


def test_a_death_by_memory_has_the_engines_reason():
    said = memory.in_words(growth(failures=2))
    assert said == (
        "The highest of 3 readings found 3 MiB in use; the kernel counted 2 times that the limit was met. The program "
        "ended with status 137: killed: out of memory, limit 4 MiB, peak 4 MiB."
    )


def test_a_count_that_the_kernel_does_not_keep_is_told_of_and_not_drawn():
    assert "(failcnt) stayed 0 all the same" in memory.in_words(growth())
    assert len(memory.figure(growth().samples).axes) == 1
    assert len(memory.figure(growth(failures=1).samples).axes) == 2


def test_an_end_for_another_reason_is_not_called_one():
    assert memory.in_words(growth(reason=None)).endswith("status 137, and not for want of memory.")


def test_a_contained_bomb_in_words_and_as_a_figure():
    samples = pd.DataFrame({"time": [0.0, 2.0], "pids": [1, 64], "refused": [0, 1500]})
    explosion = forks.Explosion(samples, 64, (0.001, 0.001), (0.002, 0.002))
    said = forks.in_words(explosion)
    assert "At most 64 of 64 processes" in said
    assert "refused 1,500 forks in 2.0 s" in said
    assert "in 1 ms before and 2 ms meanwhile" in said
    assert [axes.get_ylabel() for axes in forks.figure(explosion).axes] == ["processes", "forks refused"]


def written():
    """4 MiB in two seconds under 2 MiB/s after a second of waiting; as much in a tenth without a limit."""
    return pd.DataFrame(
        {
            "limit": [2.0 * MIB] * 4 + [NONE] * 3,
            "time": [0, 1, 2, 3, 0, 0, 0.1],
            "written": [0, 0, 2 * MIB, 4 * MIB, 0, 0, 4 * MIB],
        }
    )


def test_a_rate_is_counted_from_the_first_byte_to_the_last():
    found = transfer.rates(written())
    assert list(found["rate"] / MIB) == pytest.approx([2, 40])


def test_rates_are_told_beside_their_limits_and_drawn_with_their_slopes():
    assert "2 MiB/s under 2 MiB/s (+0.0%) and 40 MiB/s without a limit" in transfer.in_words(written())
    figure = transfer.figure(written())
    assert figure.axes[0].get_ylabel() == "written, MiB"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["as allowed", "at most 2 MiB/s", "no limit"]


def test_the_hosts_pressure_is_read_where_the_kernel_gives_it(tmp_path):
    (tmp_path / "cpu").write_text("some avg10=1.50 avg60=2.50 avg300=0.10 total=3000000\n")
    (tmp_path / "memory").write_text(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )
    found = pressure.host(tmp_path)
    assert list(zip(found["waiting for"], found["kind"], strict=True)) == [
        ("CPU", "some"), ("memory", "some"), ("memory", "full"),
    ]  # fmt: skip
    assert found["since boot, s"][0] == 3
    assert pressure.in_words(found).endswith("waited 2.5 % of the time for CPU and 0 % of the time for memory.")
    assert "measures no pressure" in pressure.in_words(pressure.host(tmp_path / "nowhere"))


@pytest.mark.parametrize("draw", [lambda: response.response({}, "x", "y"), lambda: cumulative.cumulative({}, [], "y")])
def test_nothing_measured_is_an_error_and_no_empty_figure(draw):
    from labkit.errors import LabkitError

    with pytest.raises(LabkitError, match="can be drawn"):
        draw()


def test_the_wait_of_a_cgroup_is_read_and_is_no_number_where_it_is_not_counted(tmp_path):
    (tmp_path / "cpu.pressure").write_text(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=3000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
    )
    assert pressure.stalled(tmp_path / "cpu.pressure") == 2.5
    assert pressure.stalled(tmp_path / "cpu.pressure", "some") == 3
    assert pd.isna(pressure.stalled(tmp_path / "cpu.pressure", "none"))
    assert pd.isna(pressure.stalled(tmp_path / "nothing"))


def test_the_loop_is_taken_at_its_last_whole_line():
    theirs, ours = os.pipe()
    os.set_blocking(theirs, False)
    busy = throttling._Busy(None, None, theirs)
    try:
        assert busy.counted() == 0
        os.write(ours, b"100\n200\n300\n4")
        assert busy.counted() == 300
        assert busy.counted() == 300
    finally:
        os.close(theirs)
        os.close(ours)

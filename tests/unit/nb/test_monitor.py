import numpy as np
import pandas as pd
import pytest

from labkit import Container
from labkit.errors import LabkitError
from labkit.nb import monitor
from labkit.nb.displays import drawn
from labkit.nb.monitor import Limits

TIME = np.arange(0, 3.01, 0.1)
# A quarter of a CPU, throttled for half of the time.
SAMPLES = pd.DataFrame(
    {
        "time": TIME,
        "cpu_ns": 5e9 + 0.25e9 * TIME,
        "throttled_ns": 0.5e9 * TIME,
        "memory_bytes": np.linspace(1, 3, len(TIME)) * 2**20,
        "pids": 2,
    }
)
ALLOWED = Limits(memory=4 * 2**20, cpus=0.25, pids=8)


def test_times_that_grow_become_rates_and_amounts_stay():
    found = monitor.rates(SAMPLES)
    assert found["cpu"].dropna().to_numpy() == pytest.approx(25)
    assert found["throttled"].dropna().to_numpy() == pytest.approx(50)
    assert found["cpu"].notna().sum() > 20
    assert list(found["memory_bytes"]) == list(SAMPLES["memory_bytes"])


def test_readings_that_come_late_do_not_change_a_rate():
    late = SAMPLES.drop(index=[4, 5, 6, 7, 8, 9, 15])
    assert monitor.rates(late)["cpu"].dropna().to_numpy() == pytest.approx(25)


def test_what_the_host_does_not_count_is_left_out():
    found = monitor.rates(SAMPLES.drop(columns=["cpu_ns", "pids"]))
    assert "cpu" not in found
    assert "% of a CPU (" not in monitor.in_words(found, ALLOWED)
    assert len(monitor.figure(found, ALLOWED).axes) == 2


def test_a_panel_for_each_with_its_unit_and_limit():
    figure = monitor.figure(monitor.rates(SAMPLES), ALLOWED)
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "CPU,\n% of one", "throttled,\n% of one", "memory, MiB", "processes",
    ]  # fmt: skip
    assert figure.axes[-1].get_xlabel() == "time, s"
    limits = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert limits == [["limit 25"], [], ["limit 4"], ["limit 8"]]


def test_words_say_the_last_the_highest_and_the_limits():
    said = monitor.in_words(monitor.rates(SAMPLES), ALLOWED)
    assert said == (
        "Seen for 3.0 s, at the last: 25% of a CPU (at most 25%, limit 25%), throttled for 50% of a CPU's time "
        "(at most 50%), 3 MiB of memory (at most 3 MiB, limit 4 MiB), 2 processes (at most 2, limit 8)."
    )


def test_a_last_reading_that_was_cut_short_by_the_end_is_left_out_of_the_words():
    frame = monitor.rates(pd.concat([SAMPLES, pd.DataFrame({"time": [3.1], "cpu_ns": [5.8e9]})], ignore_index=True))
    said = monitor.in_words(frame, ALLOWED)
    assert "3 MiB of memory (at most 3 MiB, limit 4 MiB), 2 processes (at most 2, limit 8)." in said
    assert "nan" not in said
    assert len(monitor.figure(frame, ALLOWED).axes) == 4


@pytest.mark.parametrize("rows", [1, 2])
def test_a_quantity_that_was_never_read_is_neither_said_nor_drawn(rows):
    frame = monitor.rates(SAMPLES[:rows].assign(pids=float("nan"), memory_bytes=2**20))
    said = monitor.in_words(frame, ALLOWED)
    assert "at the last: 1 MiB of memory (at most 1 MiB, limit 4 MiB)." in said
    assert [axes.get_ylabel() for axes in monitor.figure(frame, ALLOWED).axes] == ["memory, MiB"]


def test_without_limits_none_is_said_or_drawn():
    frame = monitor.rates(SAMPLES)
    assert "limit" not in monitor.in_words(frame, Limits())
    assert not any(axes.texts for axes in monitor.figure(frame, Limits()).axes)


def test_before_anything_was_read_there_are_words_and_no_figure():
    empty = monitor.rates(pd.DataFrame({"time": []}))
    assert monitor.in_words(empty, ALLOWED) == "Nothing was seen of the container."
    with pytest.raises(LabkitError, match="nothing was counted"):
        monitor.figure(empty, ALLOWED)


def test_a_screen_reader_has_the_words_for_the_picture():
    shown = drawn(monitor.figure(monitor.rates(SAMPLES), ALLOWED), 'at "most" 3 < 4')
    assert shown.startswith('<figure style="margin: 0"><svg role="img" aria-label="at &quot;most&quot; 3 &lt; 4"')
    assert "<figcaption>at &quot;most&quot; 3 &lt; 4</figcaption>" in shown


def test_a_long_watch_is_thinned_evenly():
    long = pd.DataFrame({"time": range(10_000)})
    assert len(monitor.thinned(long)) <= 2000
    assert set(monitor.thinned(long)["time"].diff().dropna()) == {6}
    assert len(monitor.thinned(SAMPLES)) == len(SAMPLES)


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({}, Limits()),
        ({"memory": "64M", "cpus": 0.5, "pids": 8}, Limits(64 * 2**20, 0.5, 8)),
    ],
)
def test_the_limits_are_those_of_the_configuration(rootfs, options, limits, monkeypatch):
    # Whether this user may set them is another matter.
    monkeypatch.setattr(Container, "_prepared", lambda self, held: None)
    assert monitor.limits(Container(rootfs, ["true"], **options)) == limits

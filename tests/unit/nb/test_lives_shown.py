import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.nb import lives
from labkit.plots import crowd, dots, style
from labkit.stats.per_sandbox import PerSandbox


def observed(experiment, condition, metric, values, blocks=6):
    return pd.DataFrame(
        {
            "experiment": experiment,
            "condition": condition,
            "metric": metric,
            "runtime": runtime,
            "block": block,
            "value": value * (1 + block / 1000),
            "status": "ok",
        }
        for runtime, value in values.items()
        for block in range(blocks)
    )


@pytest.fixture
def phased():
    return pd.concat(
        observed("phases", "phases", metric, {"runc": seconds, "labkit": seconds / 2})
        for metric, seconds in (("create", 0.05), ("start", 0.01), ("end", 0.001), ("delete", 0.02))
    )


def test_phases_are_in_ms_with_intervals(phased):
    found = lives.phases(phased)
    row = found[(found["phase"] == "create") & (found["runtime"] == "runc")].iloc[0]
    assert row["low"] <= row["value"] <= row["high"]
    assert row["value"] == pytest.approx(50, rel=0.01)


def test_the_longest_phase_of_each_runtime_is_told(phased):
    words = lives.phases_in_words(lives.phases(phased))
    assert "runc in create (50.1 of 81.2 ms)" in words
    assert "labkit in create" in words


def test_phases_are_drawn_a_lane_for_each_runtime(phased):
    found = lives.phases(phased)
    figure = dots.dots(found, "phase", "runtime", style.looks(found["runtime"]), "time, ms")
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"runc", "labkit"}
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == list(lives.PHASES.values())


def test_nothing_measured_is_said_and_not_drawn(phased):
    nothing = lives.phases(phased.iloc[:0])
    assert "not measured" in lives.phases_in_words(nothing)
    with pytest.raises(LabkitError):
        dots.dots(nothing, "phase", "runtime", {}, "time, ms")
    with pytest.raises(LabkitError):
        crowd.crowd(lives.rates(phased))
    assert "Nothing" in crowd.sentence(lives.rates(phased))


def test_the_rates_of_crowds_are_told_and_drawn():
    rows = pd.concat(
        observed("crowd", f"{count} at once", "throughput", {"runc": 20.0, "labkit": 20.0 * count}) for count in (1, 4)
    )
    rates = lives.rates(rows)
    assert set(rates["count"]) == {1, 4}
    assert "With 4 asked for at once, labkit gets through 80.2 lives a second, runc through 20" in crowd.sentence(rates)
    assert "one at a time, labkit gets through 20" in crowd.sentence(rates)
    assert len(crowd.crowd(rates).axes[0].containers) == 2


def test_what_an_idle_one_takes_is_told_and_ordered_by_its_processes():
    rows = pd.concat(
        observed("idle", f"{count} idle", metric, {"runsc-ptrace": 20 * mib * count, "crun": mib * count})
        for count in (1, 4)
        for metric, mib in (("pss", 2**20), ("cgroup_memory", 2 * 2**20))
    )
    each = PerSandbox()(rows)
    table = lives.idle_table(each)
    assert list(dict.fromkeys(table["runtime"])) == ["crun", "runsc-ptrace"]
    words = lives.idle_in_words(each)
    assert "takes 1 MiB in crun and 20 MiB in runsc-ptrace" in words.replace("1.00", "1").replace("20.1", "20")
    assert "charged to its cgroups" in words
    assert dots.dots(table, "runtime", "look", lives.LOOKS, "memory, MiB").axes

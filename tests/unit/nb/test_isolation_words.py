import pandas as pd
import pytest

from labkit.bench import store
from labkit.nb import isolation
from labkit.stats.synthetic import row
from labkit.workloads.attempts import ATTEMPTS


def observations():
    rows = []
    for runtime, opened, through in (("host", 390, 3), ("runc", 320, 0)):
        for metric, value in (("open", opened), ("closed", 520 - opened), ("open files", 20), ("open network", 3)):
            rows.append(row(runtime, "probe", 0, 0, metric, value))
        rows.append(row(runtime, "attempts", 0, 0, "attempts_stopped", len(ATTEMPTS) - through))
        for place, attempt in enumerate(ATTEMPTS):
            rows.append(row(runtime, "attempts", 0, 0, f"stops {attempt.name}", float(place >= through)))
        rows.append(row(runtime, "shell", 0, 0, "host_syscalls", 45))
    frame = pd.DataFrame(rows)
    return frame.assign(workload=frame["condition"])


@pytest.fixture
def nothing():
    return store.COLUMNS.empty_table().to_pandas()


def test_it_says_what_was_traced_and_that_functions_were_not():
    assert isolation.in_words(observations()) == (
        "2 runtimes were looked at. Traced were shell (blocks: 1). "
        "The kernel's functions could not be traced: the table below has the reason."
    )


def test_the_most_closed_runtime_comes_first():
    table = isolation.open_table(observations())
    assert table.values.tolist() == [["runc", 320, 520, 20, 3], ["host", 390, 520, 20, 3]]
    assert isolation.open_in_words(observations()).startswith(
        "Of 520 things that the probe tries, 320 are open in runc"
    )


def test_each_attempt_is_stopped_or_goes_through():
    table = isolation.attempts_table(observations())
    assert list(table["attempt"]) == [attempt.about for attempt in ATTEMPTS]
    assert list(table["host"][:4]) == ["goes through"] * 3 + ["stopped"]
    assert set(table["runc"]) == {"stopped"}
    words = isolation.attempts_in_words(observations())
    assert words == f"runc stops all {len(ATTEMPTS)} attempts. host stops {len(ATTEMPTS) - 3} of {len(ATTEMPTS)}."


def test_without_observations_it_says_how_to_measure(nothing):
    assert "`sudo labkit reproduce` measures it" in isolation.in_words(nothing)
    assert isolation.open_table(nothing).empty
    assert isolation.attempts_table(nothing).empty
    assert isolation.reach(nothing).empty
    assert isolation.attempts_in_words(nothing) == "No runtime was put to the attempts in this run."


def test_a_rate_that_is_halved_is_twice_the_cost():
    rows = [
        row(runtime, "sysbench-cpu", block, 0, "throughput", value) | {"unit": "1/s"}
        for block in range(8)
        for runtime, value in (("host", 100.0), ("slow", 50.0))
    ]
    costs = isolation.cost(pd.DataFrame(rows)).set_index("runtime")
    assert costs.loc["slow", "value"] == 2
    assert set(costs["workload"]) == {"sysbench-cpu"}

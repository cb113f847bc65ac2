import math
from collections import Counter

import pandas as pd
import pytest

from labkit.bench import rounds, study
from labkit.bench.store import Run
from labkit.bench.study_worker import sized
from labkit.errors import LabkitError
from labkit.workloads.workload import Workload

LABELS = ["host", "crun", "runc"]


def workload(name, **changes):
    return Workload(name, "cpu", "", (), lambda scale: (name,), lambda text: [], "throughput", **changes)


ONE, TWO = workload("one", core=True), workload("two")
BOTH = (ONE, TWO)


def measured(*trials, value=1.0):
    """Observations of trials: (workload, runtime, block, status)."""
    rows = [
        {
            "condition": name,
            "runtime": label,
            "block": block,
            "status": status,
            "metric": "throughput",
            "value": value if status == "ok" else math.nan,
        }
        for name, label, block, status in trials
    ]
    return pd.DataFrame(rows, columns=["condition", "runtime", "block", "status", "metric", "value"])


def block(name, number, labels=LABELS, status="ok"):
    return [(name, label, number, status) for label in labels]


def order(observations, wanted, labels=LABELS, seed=1):
    trials = rounds.order("study", observations, wanted, lambda number: labels, seed)
    return [(trial.condition, trial) for trial in trials]


def test_each_workload_has_each_treatment_once_in_each_of_its_blocks():
    trials = order(measured(), {"one": 3, "two": 1})
    counts = Counter((name, trial.block, trial.runtime) for name, trial in trials)
    assert set(counts.values()) == {1}
    assert len(counts) == (3 + 1) * len(LABELS)


def test_a_round_has_one_block_of_each_workload_before_the_next_begins():
    names = [name for name, trial in order(measured(), {"one": 3, "two": 2}) if trial.position == 0]
    assert sorted(names[:2]) == sorted(names[2:4]) == ["one", "two"]
    assert names[4:] == ["one"]


def test_the_order_is_drawn_anew_for_each_round_and_is_that_of_the_seed():
    wanted = {"one": 12, "two": 12}
    first = order(measured(), wanted)
    assert first == order(measured(), wanted)
    assert first != order(measured(), wanted, seed=2)
    rounds = [name for name, trial in first if trial.position == 0]
    assert {tuple(rounds[at : at + 2]) for at in range(0, 24, 2)} == {("one", "two"), ("two", "one")}


def test_complete_blocks_are_not_measured_again_and_one_that_was_cut_short_stays_as_it_is():
    there = measured(*block("one", 0), *block("one", 1, ["runc"]))
    trials = order(there, {"one": 2, "two": 0})
    assert {(name, trial.block) for name, trial in trials} == {("one", 2)}
    assert len(trials) == len(LABELS)


def test_nothing_is_left_when_all_is_there():
    assert order(measured(*block("one", 0), *block("two", 0)), {"one": 1, "two": 1}) == []


def test_a_block_of_other_treatments_is_not_complete_however_many_they_are():
    there = measured(*block("one", 0, ["host", "labkit", "microvm"]))
    assert len(order(there, {"one": 1, "two": 0})) == len(LABELS)


def test_a_treatment_that_was_given_up_is_not_waited_for():
    failed = [("one", "crun", number, "failed") for number in (0, 1)]
    there = measured(*failed, *block("one", 0, ["host", "runc"]), *block("one", 1, ["host", "runc"]))
    without = there[there["runtime"] != "crun"]
    third = measured(*block("one", 2, ["host", "runc"]))
    assert order(pd.concat([there, third]), {"one": 3, "two": 0}) == []
    assert order(pd.concat([without, third]), {"one": 3, "two": 0}) != []


def ratios(*pairs):
    """Observations of workload one in runc and crun: a pair of values for each block."""
    return pd.concat(
        [
            measured(("one", label, number, "ok"), value=value)
            for number, pair in enumerate(pairs)
            for label, value in zip(("runc", "crun"), pair, strict=True)
        ]
    )


def test_the_number_of_blocks_follows_the_treatment_whose_ratio_varies_most():
    steady = sized(ratios((10, 10), (20, 20), (30, 30)), BOTH, 0.05)
    assert steady == {"one": 0}
    varying = sized(ratios((10, 10), (10, 12), (10, 9)), BOTH, 0.05)
    assert varying["one"] > 10
    assert sized(ratios((10, 10), (10, 12), (10, 9)), BOTH, 0.2)["one"] < varying["one"]


def test_failed_trials_and_workloads_without_the_baseline_size_nothing():
    failed = measured(*block("one", 0, status="failed"))
    assert sized(pd.concat([ratios((10, 10), (10, 10)), failed]), BOTH, 0.05) == {"one": 0}
    assert sized(measured(*block("two", 0, ["crun"])), BOTH, 0.05) == {}


def tried(there, wanted, end=0.0):
    """Run the rounds, where crun fails; gives what was tried, and whether the time was over."""
    found = []

    def act(trial):
        found.append((trial.condition, trial.runtime))
        return trial.runtime != "crun"

    trials = [trial for _, trial in order(there, wanted)]
    return found, rounds.run(trials, rounds.failures(there), end, act)


def test_a_workload_that_never_went_well_in_a_runtime_is_given_up_there_alone():
    found, over = tried(measured(), {"one": 5, "two": 1})
    counts = Counter(found)
    assert counts["one", "crun"] == rounds.FAILURES
    assert counts["one", "runc"] == 5
    assert counts["two", "crun"] == 1
    assert not over


def test_one_that_went_well_once_is_tried_on():
    found, _ = tried(measured(*block("one", 0)), {"one": 6, "two": 0})
    assert Counter(found)["one", "crun"] == 5


def test_failures_of_an_earlier_session_count():
    found, _ = tried(measured(("one", "crun", 0, "failed"), ("one", "crun", 1, "failed")), {"one": 4, "two": 0})
    assert ("one", "crun") not in found


def test_no_block_is_begun_when_the_time_is_over():
    assert tried(measured(), {"one": 5, "two": 5}, end=1e-9) == ([], True)


def test_nothing_to_measure_is_refused_before_a_process_is_started(tmp_path):
    for blocks in ((0, 0), (-1, 2)):
        with pytest.raises(LabkitError, match="no blocks"):
            study.measure(Run(tmp_path / "run"), study.Study(core_blocks=blocks[0], other_blocks=blocks[1]))
    with pytest.raises(LabkitError, match="unknown workload"):
        study.measure(Run(tmp_path / "run"), study.Study(core_blocks=1, other_blocks=1, workloads=["nginks"]))
    assert not (tmp_path / "run").exists()

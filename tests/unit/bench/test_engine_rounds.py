import pandas as pd

from labkit.bench.engine import OPERATIONS, TARGETS, TREATMENTS
from labkit.bench.engine_worker import missing
from labkit.bench.sparse import SPARSE
from labkit.runtimes import Probe
from labkit.runtimes.microvm import FLAG

PAIRS = ["run.crun", "run.runc", "state.python"]


def measured(*rounds):
    """Observations of rounds, each given as the pairs it holds."""
    rows = [
        {"experiment": "engine", "workload": pair.partition(".")[0], "runtime": pair.partition(".")[2], "block": block}
        for block, pairs in enumerate(rounds)
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=["experiment", "workload", "runtime", "block"])


def there(names, emulated=()):
    """What is available under these names, some of it emulated."""
    return {name: (None, Probe(True, flags=(FLAG,) if name in emulated else ())) for name in names}


def test_each_round_has_each_operation_of_each_runtime_once():
    trials = missing(measured(), there(TREATMENTS), 4, seed=1)
    assert len(trials) == 4 * len(TREATMENTS)
    for block in range(4):
        assert sorted(trial.runtime for trial in trials if trial.block == block) == sorted(TREATMENTS)


def test_complete_rounds_are_not_measured_again_and_one_that_was_cut_short_is_not_completed():
    trials = missing(measured(PAIRS, PAIRS[:2]), there(PAIRS), 3, seed=1)
    assert {trial.block for trial in trials} == {2, 3}


def test_a_runtime_that_was_not_available_is_no_round():
    absent = pd.DataFrame([{"experiment": "engine", "workload": "run", "runtime": "crun", "block": -1}])
    assert {trial.block for trial in missing(pd.concat([measured(), absent]), there(PAIRS), 2, seed=1)} == {0, 1}


def test_an_emulated_machine_is_booted_in_few_rounds_and_the_others_are_complete_without_it():
    names = there([*PAIRS, "boot.kernel"], emulated=["boot.kernel"])
    trials = missing(measured(), names, SPARSE + 1, seed=1)
    assert [trial.block for trial in trials if trial.runtime == "boot.kernel"] == [0, SPARSE]
    assert missing(measured([*PAIRS, "boot.kernel"], PAIRS), names, 2, seed=1) == []


def test_every_target_compares_what_is_measured_in_one_operation():
    together = [set(runtimes) for runtimes in OPERATIONS.values()]
    pairs = [{target.runtime} if target.allowed else {target.runtime, target.baseline} for target in TARGETS]
    assert all(any(pair <= one for one in together) for pair in pairs)

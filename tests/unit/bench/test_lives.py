import pandas as pd
import pytest

from labkit.bench import lives
from labkit.bench.lives_worker import _lacking
from labkit.bench.sparse import SPARSE, in_block
from labkit.bench.store import Run
from labkit.bench.treatment import Treatment
from labkit.errors import LabkitError
from labkit.runtimes import Probe

LABELS = ["crun", "runc", "microvm"]
THERE = {
    label: (Treatment(label, None), Probe(True, flags=("emulated",) if label == "microvm" else ())) for label in LABELS
}


def observed(blocks):
    return pd.DataFrame(
        [
            {"workload": "phases", "block": block, "runtime": runtime}
            for block, runtimes in blocks.items()
            for runtime in runtimes
        ],
        columns=["workload", "block", "runtime"],
    )


def lacking(observations, wanted):
    return [(trial.block, trial.runtime) for trial in _lacking(observations, "phases", "phases", THERE, wanted, seed=1)]


def test_an_emulated_machine_whose_starts_take_seconds_is_in_one_block_of_several():
    with_it = [block for block in range(3 * SPARSE) if "microvm" in in_block(THERE, block)]
    assert with_it == [0, SPARSE, 2 * SPARSE]
    assert all("runc" in in_block(THERE, block) for block in range(20))


def test_each_block_has_each_of_its_runtimes_once():
    trials = lacking(observed({}), 2)
    assert sorted(trials) == [(0, "crun"), (0, "microvm"), (0, "runc"), (1, "crun"), (1, "runc")]


def test_a_whole_block_is_not_measured_again():
    assert {block for block, _ in lacking(observed({0: LABELS}), 2)} == {1}
    assert lacking(observed({0: LABELS, 1: ["crun", "runc"]}), 2) == []


def test_a_block_that_was_cut_short_stays_and_another_is_measured():
    assert {block for block, _ in lacking(observed({0: ["crun"]}), 1)} == {1}


@pytest.mark.parametrize("wrong", [{"blocks": 0}, {"blocks": 1, "crowds": [0]}, {"blocks": 1, "idle": [-1]}])
def test_numbers_below_one_are_refused(tmp_path, wrong):
    with pytest.raises(LabkitError) as caught:
        lives.measure(Run(tmp_path / "run"), **wrong)
    assert caught.value.hint

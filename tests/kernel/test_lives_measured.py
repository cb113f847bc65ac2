"""How sandboxes live, measured for real with the smallest numbers."""

import os
from pathlib import Path

import pytest

from labkit.bench import lives
from labkit.bench.store import Run
from labkit.cgroups.detect import detect
from labkit.errors import LabkitError

pytestmark = pytest.mark.root

LABELS = ("host", "labkit", "crun")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("lives") / "run")
    lives.measure(run, 1, crowds=(3,), idle=(1, 3), labels=LABELS)
    return run, run.observations()


def values(rows, metric):
    found = rows[(rows["metric"] == metric) & (rows["status"] == "ok")]
    return dict(zip(found["runtime"], found["value"], strict=True))


def test_each_phase_of_each_runtime_takes_some_time(measured):
    rows = measured[1].query("experiment == 'phases'")
    for phase in ("create", "start", "end", "delete"):
        assert values(rows, phase).keys() >= {"labkit", "crun"}
        assert min(values(rows, phase).values()) > 0


def test_a_crowd_lives_to_its_end(measured):
    rows = measured[1].query("experiment == 'crowd'")
    assert set(rows["condition"]) == {"3 at once"}
    gone, run = values(rows, "all_gone"), values(rows, "all_run")
    assert gone.keys() == set(LABELS)
    assert all(gone[runtime] >= run[runtime] > 0 for runtime in LABELS)


def test_three_idle_ones_have_thrice_the_processes_of_one(measured):
    rows = measured[1].query("experiment == 'idle'")
    one, three = (values(rows[rows["condition"] == name], "processes") for name in ("1 idle", "3 idle"))
    assert one == {"host": 1, "labkit": 1, "crun": 2}
    assert three == {runtime: 3 * count for runtime, count in one.items()}
    assert all(values(rows[rows["condition"] == "3 idle"], "pss")[runtime] > 0 for runtime in LABELS)


def test_what_is_there_is_not_measured_again(measured):
    run, rows = measured
    lives.measure(run, 1, crowds=(3,), idle=(1, 3), labels=LABELS)
    assert len(run.observations()) == len(rows)


def test_nothing_is_left(measured):
    assert not [
        name for tree in detect().hierarchies for name in os.listdir(tree.mount) if name.startswith("labkit-trial-")
    ]
    assert not list(Path(measured[0].folder).glob("scratch-*"))


def test_a_runtime_that_does_not_exist_is_refused_with_a_hint(tmp_path):
    with pytest.raises(LabkitError) as caught:
        lives.measure(Run(tmp_path / "run"), 1, labels=("rnc",))
    assert "runtimes are" in caught.value.hint

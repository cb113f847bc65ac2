import datetime
import json
import math

import pytest

from labkit.bench.store import COLUMNS, Run
from labkit.errors import LabkitError


def row(**changes):
    """One observation as a worker writes it."""
    return {
        "experiment": "startup",
        "runtime": "runc",
        "version": "1.1.5",
        "parameters": "",
        "workload": "payload",
        "condition": "warm",
        "block": 0,
        "position": 0,
        "metric": "whole_life",
        "unit": "s",
        "value": 0.02,
        "status": "ok",
        "reason": "",
        "flags": "",
        "started": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    } | changes


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "data" / "mine")
    made.begin()
    return made


def test_what_was_added_is_read_back(run):
    run.add("startup-warm-00000-runc", [row(), row(metric="first_instruction", value=0.015)])
    frame = run.observations()
    assert list(frame.columns) == COLUMNS.names
    assert dict(zip(frame["metric"], frame["value"], strict=True)) == {"whole_life": 0.02, "first_instruction": 0.015}
    assert set(frame["run"]) == {"mine"}
    assert set(frame["host"]) == {run.facts()["host"]}
    assert str(frame["started"].dtype) == "datetime64[us, UTC]"


def test_rows_come_in_the_order_of_blocks_and_positions(run):
    for block, position in ((1, 1), (0, 1), (1, 0), (0, 0)):
        run.add(f"k{block}{position}", [row(block=block, position=position)])
    frame = run.observations()
    assert list(zip(frame["block"], frame["position"], strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_a_failed_trial_keeps_its_reason_and_its_log(run):
    run.add("k", [row(value=float("nan"), status="failed", reason="exit status 1")], log="what it said")
    assert math.isnan(run.observations()["value"][0])
    assert run.observations()["reason"][0] == "exit status 1"
    assert (run.folder / "trials" / "k.log").read_text() == "what it said"


def test_measured_trials_are_known_by_key(run):
    run.add("a", [row()])
    assert Run(run.folder).measured() == {"a"}


def test_a_half_written_trial_does_not_count_and_is_cleared_away(run):
    (run.folder / "trials" / "b.partial").write_bytes(b"PAR1")
    assert run.measured() == set()
    assert run.observations().empty
    Run(run.folder).begin()
    assert list((run.folder / "trials").iterdir()) == []


def test_beginning_again_keeps_facts_and_observations(run):
    run.add("a", [row()])
    before = run.facts()
    again = Run(run.folder)
    again.begin()
    assert again.facts() == before
    assert len(again.observations()) == 1


def test_a_run_of_another_host_is_not_gone_on_with(run):
    record = json.loads((run.folder / "run.json").read_text())
    record["facts"]["host"] = "another"
    (run.folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(LabkitError, match="another host"):
        Run(run.folder).begin()


def test_another_schema_is_refused(run):
    record = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(record | {"schema": 99}))
    with pytest.raises(LabkitError, match="another schema"):
        run.facts()


def test_a_damaged_record_is_one_clear_error(run):
    (run.folder / "run.json").write_text("{")
    with pytest.raises(LabkitError, match="not a run's record"):
        run.facts()


def test_a_damaged_trial_is_named(run):
    (run.folder / "trials" / "bad.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(LabkitError, match=r"bad\.parquet cannot be read"):
        run.observations()


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LabkitError, match="is not a folder"):
        Run(tmp_path / "file")


def test_a_run_that_does_not_exist_says_so(tmp_path):
    with pytest.raises(LabkitError, match="no run in"):
        Run(tmp_path / "nothing").facts()


def test_sessions_are_appended(run):
    run.add_session({"seed": 1})
    run.add_session({"seed": 2})
    assert [session["seed"] for session in Run(run.folder).sessions()] == [1, 2]


def test_a_packed_run_has_the_same_rows_facts_and_sessions(run, tmp_path):
    run.add("startup-warm-00000-runc", [row(), row(metric="first_instruction", value=0.015)])
    run.add("study-redis-00000-runc", [row(experiment="study", condition="redis", status="failed", value=math.nan)])
    run.add_session({"experiment": "startup", "seed": 1})
    packed = run.pack(tmp_path / "reference")
    assert sorted(path.name for path in packed.parent.iterdir()) == ["observations.parquet", "run.json"]
    other = Run(packed.parent)
    assert other.observations().equals(run.observations())
    assert other.observations("study").equals(run.observations("study"))
    assert (other.facts(), other.sessions()) == (run.facts(), run.sessions())
    assert [other.holds(name) for name in ("startup", "study", "engine")] == [True, True, False]


def test_a_packed_run_is_replaced_and_can_be_packed_again(run, tmp_path):
    run.add("startup-warm-00000-runc", [row()])
    first = Run(run.pack(tmp_path / "reference").parent)
    run.add("startup-warm-00001-runc", [row(block=1)])
    run.pack(tmp_path / "reference")
    assert len(first.observations()) == 2
    assert Run(first.pack(tmp_path / "other").parent).observations().equals(run.observations())


def test_a_packed_run_is_not_measured_into(run, tmp_path):
    run.add("startup-warm-00000-runc", [row()])
    with pytest.raises(LabkitError, match="is packed"):
        Run(run.pack(tmp_path / "reference").parent).begin()


def test_nothing_else_than_a_packed_run_is_replaced(run, tmp_path):
    run.add("startup-warm-00000-runc", [row()])
    (tmp_path / "thesis.txt").touch()
    for folder in (tmp_path, run.folder, tmp_path / "thesis.txt"):
        with pytest.raises(LabkitError, match="something else"):
            run.pack(folder)
    assert (tmp_path / "thesis.txt").exists()


def test_a_run_without_observations_is_not_packed(run, tmp_path):
    with pytest.raises(LabkitError, match="no observation"):
        run.pack(tmp_path / "reference")
    assert not (tmp_path / "reference").exists()

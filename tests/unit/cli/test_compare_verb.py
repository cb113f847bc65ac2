import json

import pandas as pd
import pytest

from labkit.bench import store
from labkit.cli import compare, main, pack
from labkit.errors import LabkitError, UsageError
from labkit.nb import places
from labkit.stats.synthetic import study, synthetic

FACTS = {"host": "abc", "kernel": "6.1", "labkit": "0.1.0"}


@pytest.fixture(autouse=True)
def repository(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "repository", lambda: tmp_path)
    return tmp_path


def make(folder, observations: pd.DataFrame, schema: int = store.SCHEMA, **facts: str):
    """A packed run of these rows."""
    folder.mkdir(parents=True)
    rows = observations[store.COLUMNS.names]
    rows.astype({"started": "datetime64[us, UTC]"}).to_parquet(folder / store.PACKED, index=False)
    (folder / "run.json").write_text(json.dumps({"schema": schema, "facts": FACTS | facts, "sessions": []}))
    return folder


@pytest.fixture
def runs(repository):
    key = ("redis", "throughput")
    one = study({key: {"runc": 100.0, "a": 50.0}, ("redis", "latency_p50"): {"runc": 1.0, "a": 2.0}}, seed=1)
    other = study({key: {"runc": 10.0, "a": 20.0}, ("redis", "latency_p50"): {"runc": 1.0, "a": 2.0}}, seed=2)
    make(repository / "data/runs/mine", one, kernel="6.12")
    return make(repository / "data/reference", other.assign(version="2.0"))


def test_ratios_hosts_and_versions_are_set_beside_each_other(runs, capsys):
    assert main(["compare", "reference", "mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kernel: 6.1 | 6.12"
    assert "a: 2.0 | 1.0" in lines
    (row,) = [line for line in lines if line.startswith("study ")]
    assert row.split()[:4] == ["study", "redis", "throughput", "a"]
    assert row.endswith("differ")
    assert lines[-1] == "0 ratios agree, 1 differ; 0.1 would by chance; 0 have too few blocks to tell."


def test_every_metric_is_compared_when_asked_for(runs, capsys):
    assert main(["compare", "--all", "reference", "mine"]) == 0
    assert "latency_p50" in capsys.readouterr().out


def test_a_run_of_that_name_is_preferred_to_the_reference_run(runs, repository):
    assert compare._folder("reference") == runs
    make(repository / "data/runs/reference", synthetic({"runc": 1.0}))
    assert compare._folder("reference") == repository / "data/runs/reference"


@pytest.mark.parametrize("arguments", [[], ["mine"], ["a", "b", "c"], ["--most", "a", "b"]])
def test_other_than_two_runs_is_a_usage_error(arguments):
    with pytest.raises(UsageError):
        compare.main(arguments)


def test_a_run_that_is_not_there_is_one_line(runs, capsys):
    assert main(["compare", "mine", "nosuch"]) != 0
    assert "no run in" in capsys.readouterr().err.splitlines()[0]


def test_a_run_of_another_schema_is_one_line(runs, repository):
    make(repository / "data/runs/old", synthetic({"runc": 1.0}), schema=99)
    with pytest.raises(LabkitError, match="another schema"):
        compare.main(["mine", "old"])


def test_runs_with_nothing_in_common_say_so(runs, repository):
    make(repository / "data/runs/startup", synthetic({"runc": 1.0, "a": 1.0}))
    with pytest.raises(LabkitError, match="nothing in common"):
        compare.main(["mine", "startup"])


def test_a_run_is_packed_by_name_and_the_path_of_its_rows_printed(runs, repository, capsys):
    assert main(["pack", "mine", f"{repository}/data/other"]) == 0
    assert capsys.readouterr().out == f"{repository}/data/other/observations.parquet\n"
    assert store.Run(repository / "data/other").facts()["kernel"] == "6.12"


@pytest.mark.parametrize("arguments", [[], ["mine"], ["mine", "a", "b"], ["--fast", "mine"]])
def test_other_than_a_run_and_a_folder_to_pack_is_a_usage_error(arguments):
    with pytest.raises(UsageError):
        pack.main(arguments)

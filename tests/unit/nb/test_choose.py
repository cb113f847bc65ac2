import json

import pytest

from labkit import __version__
from labkit.bench import facts, store
from labkit.errors import LabkitError
from labkit.nb import choose, engine, places


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "runs", lambda: tmp_path)
    return tmp_path


def make(folder, host=None, version=__version__, started="2026-01-01"):
    folder.mkdir()
    known = {"host": facts.host() if host is None else host, "labkit": version, "started": started}
    (folder / "run.json").write_text(json.dumps({"schema": store.SCHEMA, "facts": known, "sessions": []}))


def test_the_first_run_is_named_after_its_profile(runs):
    assert choose.choose("quick", None, fresh=False) == runs / "quick"


def test_a_run_of_this_host_and_version_is_gone_on_with(runs):
    make(runs / "quick")
    assert choose.choose("quick", None, fresh=False) == runs / "quick"


def test_the_last_of_several_is_gone_on_with(runs):
    make(runs / "quick")
    make(runs / "quick-2")
    assert choose.choose("quick", None, fresh=False) == runs / "quick-2"


@pytest.mark.parametrize("other", [{"host": "elsewhere"}, {"version": "0.0.1"}])
def test_another_host_or_version_begins_another_run(runs, other):
    make(runs / "quick", **other)
    assert choose.choose("quick", None, fresh=False) == runs / "quick-2"


def test_fresh_begins_another_run(runs):
    make(runs / "quick")
    assert choose.choose("quick", None, fresh=True) == runs / "quick-2"


def test_a_run_whose_measuring_never_began_is_used(runs):
    (runs / "quick").mkdir()
    assert choose.choose("quick", None, fresh=False) == runs / "quick"


def test_a_named_run_of_another_host_is_refused(runs):
    make(runs / "mine", host="elsewhere")
    with pytest.raises(LabkitError, match="another host"):
        choose.choose("quick", "mine", fresh=False)


def test_the_latest_is_the_one_begun_last(runs):
    make(runs / "b", started="2026-01-01")
    make(runs / "a", started="2026-02-01")
    assert choose.latest() == runs / "a"


def test_a_run_of_the_benchmark_alone_is_not_what_a_site_is_made_of(runs):
    make(runs / "quick", started="2026-01-01")
    make(runs / "bench", started="2026-02-01")
    (runs / "bench/trials").mkdir()
    (runs / "bench/trials/engine-warm-00000-run.crun.parquet").touch()
    assert choose.latest() == runs / "quick"
    assert engine.find(runs / "quick") == engine.find(runs / "bench") == runs / "bench"


def test_the_benchmark_in_a_run_itself_is_preferred(runs):
    for name, started in (("mine", "2026-01-01"), ("bench", "2026-02-01")):
        make(runs / name, started=started)
        (runs / name / "trials").mkdir()
        (runs / name / "trials/engine-warm-00000-run.crun.parquet").touch()
    assert engine.find(runs / "mine") == runs / "mine"


def test_a_benchmark_that_is_not_continued_gets_a_folder_of_its_own(runs):
    assert engine.new_folder() == runs / "bench"
    make(runs / "bench")
    assert engine.new_folder() == runs / "bench-2"


def test_without_any_run_there_is_no_latest():
    assert choose.latest() is None


@pytest.mark.parametrize("name", ["", ".", "..", "./"])
def test_a_name_that_is_none_or_climbs_is_refused(name):
    with pytest.raises(LabkitError):
        places.run_folder(name)


def test_a_path_may_be_anywhere(tmp_path):
    assert places.run_folder(f"{tmp_path}/x") == tmp_path / "x"


def test_the_reference_run_is_shown_where_nothing_was_measured(runs, monkeypatch):
    monkeypatch.setattr(places, "reference", lambda: runs / "reference-of-the-repository")
    assert choose.shown() is None
    make(runs / "reference-of-the-repository")
    (runs / "reference-of-the-repository" / store.PACKED).touch()
    monkeypatch.setattr(places, "runs", lambda: runs / "none")
    assert choose.shown() == runs / "reference-of-the-repository"
    monkeypatch.setattr(places, "runs", lambda: runs / "own")
    (runs / "own").mkdir()
    make(runs / "own" / "quick")
    assert choose.shown() == runs / "own" / "quick"


def test_a_packed_run_is_not_gone_on_with(runs):
    make(runs / "mine")
    (runs / "mine" / store.PACKED).touch()
    with pytest.raises(LabkitError, match="is packed"):
        choose.choose("quick", "mine", fresh=False)

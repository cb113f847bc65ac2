import json

import pytest

from labkit import __version__
from labkit.bench import facts, store
from labkit.errors import LabkitError
from labkit.nb import choose, places


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


def test_without_any_run_there_is_no_latest():
    assert choose.latest() is None


@pytest.mark.parametrize("name", ["", ".", "..", "./"])
def test_a_name_that_is_none_or_climbs_is_refused(name):
    with pytest.raises(LabkitError):
        places.run_folder(name)


def test_a_path_may_be_anywhere(tmp_path):
    assert places.run_folder(f"{tmp_path}/x") == tmp_path / "x"

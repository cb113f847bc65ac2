import json

import pytest

from labkit import __version__
from labkit.bench import facts, store
from labkit.cli import reproduce, site
from labkit.errors import LabkitError, UsageError
from labkit.nb import places
from labkit.nb.site import check_replaceable, described, with_values


@pytest.mark.parametrize("command", [reproduce, site])
def test_help_is_printed_and_nothing_done(command, capsys):
    assert command.main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: labkit")


@pytest.mark.parametrize("command", [reproduce, site])
@pytest.mark.parametrize("arguments", [["--what"], ["--run"], ["word"]])
def test_a_malformed_command_line_is_refused(command, arguments):
    with pytest.raises(UsageError):
        command.main(arguments)


def test_fresh_and_a_name_exclude_each_other():
    with pytest.raises(UsageError):
        reproduce.main(["--fresh", "--run", "x"])


def test_an_unknown_profile_is_named_with_those_there_are():
    with pytest.raises(LabkitError, match=r"no profile 'huge' \(the profiles are tiny, quick, full\)"):
        reproduce.main(["--profile", "huge"])


def test_an_unknown_notebook_is_named_with_those_there_are():
    with pytest.raises(LabkitError, match=r"no notebook '99'.*20-startup"):
        reproduce.main(["--only", "99"])


@pytest.mark.parametrize("command", [reproduce, site])
def test_a_folder_with_something_else_is_not_replaced(command, tmp_path):
    (tmp_path / "precious").write_text("")
    (tmp_path / "run").mkdir()
    record = {"schema": store.SCHEMA, "facts": {"host": facts.host(), "labkit": __version__}, "sessions": []}
    (tmp_path / "run/trials").mkdir()
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    with pytest.raises(LabkitError, match="something else than a site"):
        command.main(["--output", str(tmp_path), "--run", f"{tmp_path}/run"])
    assert (tmp_path / "precious").exists()


def test_a_site_and_an_empty_folder_are_replaceable(tmp_path):
    check_replaceable(tmp_path)
    check_replaceable(tmp_path / "new")
    (tmp_path / ".buildinfo").write_text("")
    (tmp_path / "index.html").write_text("")
    check_replaceable(tmp_path)


def test_a_run_that_is_not_there_is_said(tmp_path):
    with pytest.raises(LabkitError, match="there is no run"):
        site.main(["--run", f"{tmp_path}/none"])


def test_nothing_measured_yet_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "runs", lambda: tmp_path)
    monkeypatch.setattr(places, "reference", lambda: tmp_path / "none")
    with pytest.raises(LabkitError, match="nothing was measured yet"):
        site.main([])


def test_a_parameters_cell_shows_the_values_that_were_used_and_keeps_its_comments():
    source = 'run_name = "quick"  # a run\nrepeats = 20\nmeasure = True  # or not'
    values = {"run_name": "/somewhere/mine/", "repeats": 3, "measure": False}
    assert with_values(source, values) == 'run_name = "mine"  # a run\nrepeats = 3\nmeasure = False  # or not'


def test_a_figure_is_described_by_the_words_beside_it():
    figure = {"output_type": "display_data", "data": {"image/svg+xml": ["<svg/>"]}}
    words = {"output_type": "display_data", "data": {"text/markdown": ["It grows.\n", "It ends."]}}
    assert described({"outputs": [figure, words]}) == "It grows. It ends."
    assert described({"outputs": [words]}) == ""
    assert described({"outputs": [figure]}) == ""
    assert described({}) == ""

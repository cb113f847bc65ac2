import json

import pytest

from labkit.engine import state
from labkit.errors import LabkitError
from labkit.oci import list as module
from labkit.oci import log
from labkit.spec.model import Spec


@pytest.fixture
def folder(tmp_path):
    """Two containers that have stopped, a folder that is just filled, and one without a state."""
    for id, more in (("two", {"uid": 4_000_000_000}), ("one", {})):
        (tmp_path / id).mkdir()
        values = json.loads(state.content(Spec(oci_version="1.2.0"), id, f"/bundles/{id}", [], [])) | more
        (tmp_path / id / "state").write_text(json.dumps(values | {"uid": values["uid"] if more else 0}) + "\n")
    (tmp_path / "~new.1").mkdir()
    (tmp_path / "empty").mkdir()
    return tmp_path


def show(folder, capsys, *words):
    assert module.main(list(words), {"root": str(folder)}) == 0
    return capsys.readouterr().out


def test_the_table_is_ordered_by_id_with_columns_below_each_other(folder, capsys):
    head, *lines = show(folder, capsys).splitlines()
    assert head.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    rows = [line.split() for line in lines]
    assert [row[:4] for row in rows] == [
        ["one", "0", "stopped", "/bundles/one"],
        ["two", "0", "stopped", "/bundles/two"],
    ]
    assert [row[5] for row in rows] == ["root", "#4000000000"]
    for name, column in zip(("STATUS", "BUNDLE"), (2, 3), strict=True):
        assert {line.index(row[column]) for line, row in zip(lines, rows, strict=True)} == {head.index(name)}


def test_an_empty_table_has_its_head_and_an_empty_json_is_null(tmp_path, capsys):
    assert show(tmp_path, capsys).splitlines() == [
        "ID          PID         STATUS      BUNDLE      CREATED     OWNER",
    ]
    assert show(tmp_path, capsys, "--format", "json") == "null\n"
    assert show(tmp_path, capsys, "-q") == ""


def test_json_has_what_state_prints(folder, capsys):
    found = json.loads(show(folder, capsys, "-f", "json"))
    assert [(one["id"], one["status"], one["owner"]) for one in found] == [
        ("one", "stopped", "root"),
        ("two", "stopped", "#4000000000"),
    ]
    assert {"ociVersion", "pid", "bundle", "rootfs", "created"} <= set(found[0])


def test_quiet_prints_ids_alone(folder, capsys):
    assert show(folder, capsys, "--quiet", "--format", "json") == "one\ntwo\n"


def test_one_that_cannot_be_read_is_warned_of_and_the_others_are_listed(folder, capsys, monkeypatch):
    warnings = []
    monkeypatch.setattr(log, "warning", warnings.append)
    (folder / "newer").mkdir()
    (folder / "newer/state").write_text('{"version": 99}\n')
    assert show(folder, capsys, "-q") == "one\ntwo\n"
    assert len(warnings) == 1
    assert "'newer' has a state of version 99" in warnings[0]


def test_another_format_is_refused(folder):
    with pytest.raises(LabkitError, match="invalid format option: yaml"):
        module.main(["--format", "yaml"], {"root": str(folder)})

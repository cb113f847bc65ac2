import json

import pytest

from labkit.cli import caps
from labkit.errors import LabkitError, UsageError
from labkit.linux import capabilities


@pytest.mark.parametrize("argv", [[], ["list"], ["explain", "--bogus"]])
def test_a_malformed_line_is_a_usage_error(argv):
    with pytest.raises(UsageError) as caught:
        caps.main(argv)
    assert caught.value.hint


def test_help_is_printed(capsys):
    assert caps.main(["explain", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: labkit caps")


def test_all_of_them_are_listed(capsys):
    assert caps.main(["explain"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in capabilities.NUMBERS)


def test_some_are_explained_by_name(capsys):
    assert caps.main(["explain", "--json", "net_raw", "CAP_SYS_ADMIN"]) == 0
    raw, admin = json.loads(capsys.readouterr().out)
    assert (raw["capability"], raw["number"], raw["default"], raw["whole_host"]) == ("CAP_NET_RAW", 13, True, False)
    assert (admin["number"], admin["default"], admin["whole_host"]) == (21, False, True)


def test_one_that_is_newer_than_the_table_is_listed_by_number(monkeypatch, capsys):
    monkeypatch.setattr(capabilities, "last_capability", lambda: 42)
    assert caps.main(["explain", "--json"]) == 0
    last = json.loads(capsys.readouterr().out)[-1]
    assert (last["capability"], last["kernel"], last["default"]) == ("CAP_42", True, False)
    assert "newer" in last["does"]


def test_one_that_does_not_exist_is_named_with_one_like_it():
    with pytest.raises(LabkitError, match=r"'NET_ROW' is not a capability \(did you mean CAP_NET_RAW"):
        caps.main(["explain", "NET_ROW"])

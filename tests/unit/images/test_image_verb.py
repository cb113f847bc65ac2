import pytest

from labkit.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["frob"],
        ["ls", "x"],
        ["build"],
        ["build", "a", "b"],
        ["path", "--all"],
        ["rm"],
        ["build", "alpine"],
        ["rm", "-f"],
        ["export", "busybox"],
        ["build", "docker://"],
    ],
)
def test_a_malformed_command_is_one_line_and_a_hint_with_status_2(arguments, capsys):
    assert main(["image", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["labkit", "hint"]


@pytest.mark.parametrize("verb", ["path", "rm"])
def test_an_image_that_is_not_built_is_said_to_be_missing(verb, capsys):
    assert main(["image", verb, "debian:sid+fio"]) == 125
    assert "image 'debian:sid+fio' is not built" in capsys.readouterr().err


def test_help_names_every_verb(capsys):
    assert main(["image", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"labkit image {verb}" in out for verb in ("ls", "build", "path", "export", "rm"))


def test_an_empty_cache_is_a_table_with_its_head_alone(capsys):
    assert main(["image", "ls"]) == 0
    assert capsys.readouterr().out.split() == ["REFERENCE", "SIZE", "CREATED", "DIGEST", "MANIFEST"]

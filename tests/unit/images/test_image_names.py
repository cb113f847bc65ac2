import os

import pytest

from labkit.images import names
from labkit.images.foreign import parse


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_name_is_recalled_until_it_is_forgotten():
    name = parse("localhost:5000/a/b:t")
    assert names.recall(name) is None
    names.remember(name, "oci-1", "")
    assert names.recall(name) == "oci-1"
    names.remember(name, "oci-2", "")
    assert names.recall(name) == names.key_of(str(name)) == "oci-2"
    names.forget(str(name))
    assert names.recall(name) is None


def test_an_image_knows_all_its_names():
    for text in ("a/b:2", "a/b:1", "c/d:1"):
        names.remember(parse(text), "oci-2" if text.startswith("c") else "oci-1", "")
    assert names.of("oci-1") == ["docker://a/b:1", "docker://a/b:2"]
    names.forget_all()
    assert names.of("oci-1") == names.of("oci-2") == []


def test_a_name_as_long_as_a_path_is_kept():
    name = parse(f"oci:/{'x' * 200}/{'y' * 200}:t")
    names.remember(name, "oci-1", "")
    assert names.recall(name) == "oci-1"
    assert names.of("oci-1") == [str(name)]


def test_a_file_that_was_changed_is_another_image_and_one_that_is_gone_is_what_it_was(tmp_path):
    file = tmp_path / "a.tar"
    file.write_text("one")
    name = parse(f"docker-archive:{file}")
    names.remember(name, "oci-1", names.state(name))
    assert names.recall(name) == "oci-1"
    file.write_text("other")
    assert names.recall(name) is None
    file.unlink()
    assert names.recall(name) == "oci-1"


@pytest.mark.parametrize("text", ["", "oci-1", "../../etc\n\ndocker://a/b:t\n", "\n\n\n"])
def test_a_damaged_file_is_no_name(text):
    name = parse("a/b:t")
    names.remember(name, "oci-1", "")
    (file,) = os.listdir(names.folder())
    with open(f"{names.folder()}/{file}", "w") as damaged:
        damaged.write(text)
    assert names.recall(name) is None
    assert names.of("oci-1") == []

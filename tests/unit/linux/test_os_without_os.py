"""The few functions of `os` that the engine has of its own do what those do."""

import os
import posixpath
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.linux import os as own
from labkit.linux import path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PARTS = st.lists(st.sampled_from(["/", ".", "..", "a", "b c", "é"]), max_size=8)
# Two slashes at the beginning are one to Linux, and something else to POSIX.
NAMES = PARTS.map("".join).filter(lambda name: not name.startswith("//"))


@given(NAMES)
def test_paths_are_taken_apart_as_by_posixpath(name):
    for what in ("abspath", "basename", "dirname", "normpath"):
        assert getattr(path, what)(name) == getattr(posixpath, what)(name)


@given(NAMES, NAMES)
def test_paths_are_joined_as_by_posixpath(folder, name):
    assert path.normpath(path.join(folder, name)) == posixpath.normpath(posixpath.join(folder, name))


@given(st.text(st.characters(blacklist_characters="\0"), max_size=5) | st.just("a\udcff"))
def test_names_are_encoded_as_by_os(name):
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            own.fsencode(name)
        return
    assert own.fsencode(name) == encoded
    assert own.fsdecode(encoded) == os.fsdecode(encoded)


@pytest.fixture
def tree(tmp_path):
    """A folder with a file, a folder, a link to each, one to nothing and one to itself."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").touch()
    (tmp_path / "to-folder").symlink_to("folder")
    (tmp_path / "to-file").symlink_to("folder/file")
    (tmp_path / "to-nothing").symlink_to("nothing")
    (tmp_path / "to-itself").symlink_to("to-itself")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    "folder folder/file to-folder to-folder/file to-file to-nothing to-itself nothing folder/file/x . "
    "to-folder/.. to-folder/../folder ./folder/ a\0b".split(" "),
)
def test_files_are_told_apart_as_by_posixpath(tree, name, monkeypatch):
    monkeypatch.chdir(tree)
    for place in (name, f"{tree}/{name}"):
        for what in ("exists", "isdir", "isfile"):
            assert getattr(path, what)(place) == getattr(posixpath, what)(place)
        if "\0" not in name:
            assert path.realpath(place) == posixpath.realpath(place)


def test_a_folder_is_made_with_those_above_it(tmp_path):
    for _ in range(2):
        own.makedirs(f"{tmp_path}/one/two", 0o711, exist_ok=True)
    assert os.stat(f"{tmp_path}/one/two").st_mode & 0o777 == 0o711
    with pytest.raises(FileExistsError):
        own.makedirs(f"{tmp_path}/one/two", 0o711, exist_ok=False)


def test_the_environment_is_the_one_that_others_have_made(monkeypatch):
    monkeypatch.setenv("LABKIT_TEST", "é")
    assert own.getenv("LABKIT_TEST") == "é"
    monkeypatch.delenv("LABKIT_TEST")
    assert (own.getenv("LABKIT_TEST"), own.getenv("LABKIT_TEST", "x")) == ("", "x")


def test_all_the_rest_is_there_and_loads_os_only_then():
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from labkit.linux import os; before = 'os' in sys.modules;"
        "print(os.getenv('LABKIT_TEST'), os.getenv('LABKIT_NONE', 'x'), before, os.path.isabs('/'),"
        "'os' in sys.modules, os.environ['LABKIT_TEST'], os.open is sys.modules['os'].open)"
    )
    command = [sys.executable, "-I", "-S", "-c", program, ROOT]
    environment = os.environ | {"LABKIT_TEST": "é", "LC_ALL": "C.UTF-8"}
    said = subprocess.run(command, check=True, capture_output=True, env=environment).stdout.decode()
    assert said.split() == ["é", "x", "False", "True", "True", "é", "True"]

import json
import os
import shutil
import subprocess

import pytest

from labkit.errors import LabkitError, UsageError
from labkit.oci import spec
from labkit.spec.load import load_bundle


def run(*words):
    return spec.main(list(words), {})


def test_the_file_is_one_that_this_runtime_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run() == 0
    found = load_bundle(str(tmp_path))
    assert found.process.args == ("sh",)
    assert found.root.path == str(tmp_path / "rootfs")
    assert found.root.readonly


def test_the_folder_can_be_given(tmp_path, monkeypatch):
    (tmp_path / "bundle").mkdir()
    monkeypatch.chdir(tmp_path)
    run("--bundle", "bundle", "--rootless")
    found = load_bundle(str(tmp_path / "bundle")).linux
    assert [line.host_id for line in (*found.uid_mappings, *found.gid_mappings)] == [os.geteuid(), os.getegid()]
    assert "user" in found.kinds()
    assert "network" not in found.kinds()


@pytest.mark.parametrize("words", [[], ["--rootless"]])
def test_the_text_is_that_of_runc(tmp_path, monkeypatch, words):
    if shutil.which("runc") is None:
        pytest.skip("runc is not installed")
    version = subprocess.run(["runc", "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    if not version.startswith("1.1."):
        pytest.skip(f"runc here is {version}, not 1.1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").mkdir()
    subprocess.run(["runc", "spec", "--bundle", "theirs", *words], check=True)
    run(*words)
    theirs = (tmp_path / "theirs/config.json").read_text()
    their_version = json.loads(theirs)["ociVersion"]
    assert (tmp_path / "config.json").read_text() == theirs.replace(f'"{their_version}"', '"1.0.2"', 1)


def test_a_cgroup_namespace_is_asked_for_where_v2_is_all_there_is():
    kinds = [[entry["type"] for entry in spec.document(only_v2, None)["linux"]["namespaces"]] for only_v2 in (0, 1)]
    assert kinds[1] == [*kinds[0], "cgroup"]


@pytest.mark.parametrize("link", [False, True])
def test_a_file_that_is_there_is_left_alone(tmp_path, monkeypatch, link):
    monkeypatch.chdir(tmp_path)
    if link:
        (tmp_path / "config.json").symlink_to("nowhere")
    else:
        (tmp_path / "config.json").write_text("mine")
    with pytest.raises(LabkitError, match=r"^File config\.json exists\. Remove it first"):
        run()
    assert link or (tmp_path / "config.json").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_that_is_not_there_is_told_in_the_words_of_runc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabkitError, match=r"^chdir nowhere: no such file or directory"):
        run("-b", "nowhere")


def test_other_words_are_refused():
    with pytest.raises(UsageError, match="requires exactly 0"):
        run("bundle")

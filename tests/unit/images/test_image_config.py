import json
import os

import pytest

from labkit.errors import LabkitError
from labkit.images.config import architecture, read


@pytest.fixture
def layout(tmp_path):
    """Write a layout whose image has this configuration; other documents may be replaced."""

    def write(config=None, document=None, index=None, manifest=None):
        blobs = tmp_path / "blobs/sha256"
        blobs.mkdir(parents=True)
        names = {"manifest": "a" * 64, "config": "b" * 64}
        whole = {"os": "linux", "architecture": architecture(os.uname().machine), "config": config}
        (blobs / names["config"]).write_text(json.dumps(whole | (document or {})))
        described = {"config": {"digest": f"sha256:{names['config']}"}}
        (blobs / names["manifest"]).write_text(json.dumps(described) if manifest is None else manifest)
        listed = {"manifests": [{"digest": f"sha256:{names['manifest']}"}]}
        (tmp_path / "index.json").write_text(json.dumps(listed if index is None else index))
        return tmp_path

    return write


def test_what_is_used_is_command_variables_folder_and_user(layout):
    config = {"Entrypoint": ["/e"], "Cmd": ["c", "d"], "Env": ["A=b=c", "D=", "E"], "WorkingDir": "/w", "User": "u:g"}
    made = layout(config | {"ExposedPorts": {"80/tcp": {}}})
    assert read(made, "it") == {"args": ["/e", "c", "d"], "env": {"A": "b=c", "D": ""}, "cwd": "/w", "user": "u:g"}


@pytest.mark.parametrize(
    "config", [None, {}, {"Entrypoint": None, "Cmd": [], "Env": None, "WorkingDir": "", "User": ""}]
)
def test_an_image_that_says_nothing_has_no_defaults(layout, config):
    assert read(layout(config), "it") == {}


@pytest.mark.parametrize(
    "config",
    [
        [],
        "x",
        {"Cmd": "sh"},
        {"Cmd": [1]},
        {"Entrypoint": {"a": "b"}},
        {"Env": ["A=\0"]},
        {"WorkingDir": "tmp"},
        {"WorkingDir": ["/"]},
        {"User": 5},
    ],
)
def test_a_malformed_configuration_is_one_line_with_a_hint(layout, config):
    if config == []:
        config = [1]
    with pytest.raises(LabkitError, match="it: its configuration is malformed: ") as raised:
        read(layout(config), "it")
    assert "\n" not in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    "index",
    [[], {}, {"manifests": []}, {"manifests": [{"digest": "sha256:../../../../etc/passwd"}]}, {"manifests": [{}]}],
)
def test_a_malformed_index_is_refused_and_no_path_is_made_of_what_is_no_digest(layout, index):
    with pytest.raises(LabkitError, match="malformed"):
        read(layout({}, index=index), "it")


@pytest.mark.parametrize("manifest", ["", "{", "[" * 100_000, '"x"', "1" * 5_000_000])
def test_a_malformed_manifest_is_refused(layout, manifest):
    with pytest.raises(LabkitError, match="malformed"):
        read(layout({}, manifest=manifest), "it")


@pytest.mark.parametrize("document", [{"architecture": "s390x"}, {"os": "windows"}, {"architecture": None}])
def test_an_image_for_another_machine_is_refused(layout, document):
    with pytest.raises(LabkitError, match=r"it is made for .*, this host is linux/") as raised:
        read(layout({}, document=document), "it")
    assert "tag" in raised.value.hint

import json

import pytest

from labkit.errors import LabkitError, SpecError
from labkit.spec import default, load


def write(folder, data):
    (folder / "config.json").write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return str(folder)


def whole():
    return default.spec("rootfs", ("true",)).dump()


def test_the_root_path_counts_from_the_bundle(tmp_path):
    assert load.load_bundle(write(tmp_path, whole())).root.path == str(tmp_path / "rootfs")


def test_the_source_of_a_bind_mount_counts_from_the_bundle(tmp_path):
    document = whole()
    document["mounts"] += [
        {"destination": "/a", "source": "data", "options": ["rbind"]},
        {"destination": "/b", "source": "/data", "type": "bind"},
        {"destination": "/c", "source": "tmpfs", "type": "tmpfs"},
    ]
    sources = [mount.source for mount in load.load_bundle(write(tmp_path, document)).mounts[-3:]]
    assert sources == [str(tmp_path / "data"), "/data", "tmpfs"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "line 1"),
        (b'{\n"a": }', "line 2"),
        (b'{"a": 1} x', "Extra data"),
        (b'{"a": "\xff"}', "UTF-8 at byte 7"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'{"a": ' + b"9" * 5000 + b"}", "limit"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MiB"),
    ],
)
def test_a_file_that_is_no_json_is_an_error_in_one_line(tmp_path, data, word):
    with pytest.raises(LabkitError, match=word) as caught:
        load.load_bundle(write(tmp_path, data))
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("data", [b"[]", b"3", b"null", b'"text"', b"NaN"])
def test_json_that_is_no_object_is_refused(tmp_path, data):
    with pytest.raises(SpecError, match="must be an object"):
        load.load_bundle(write(tmp_path, data))


def test_deep_nesting_is_refused(tmp_path):
    with pytest.raises(SpecError, match="too deeply"):
        load.load_bundle(write(tmp_path, b"[" * 100_000))


def test_a_folder_without_configuration_is_no_bundle(tmp_path):
    with pytest.raises(LabkitError, match=r"config\.json: No such file") as caught:
        load.load_bundle(str(tmp_path))
    assert "bundle is a folder" in caught.value.hint


def test_blanks_around_the_document_are_allowed(tmp_path):
    assert load.load_bundle(write(tmp_path, b"\n\t " + json.dumps(whole()).encode() + b" \r\n")).process.args == (
        "true",
    )

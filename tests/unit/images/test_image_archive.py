import json
import os
import tarfile
from hashlib import sha256

import pytest

from labkit.cli import main
from labkit.errors import LabkitError
from labkit.images.archive import export, name
from labkit.images.engines import into_containerd, into_podman
from labkit.images.image import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def small(tmp_path):
    """An image of a few files of each kind."""
    root = tmp_path / "key/rootfs"
    (root / "bin").mkdir(parents=True)
    (root / "bin/sh").write_text("a shell")
    (root / "bin/sh").chmod(0o4755)
    (root / "bin/ash").symlink_to("sh")
    os.link(root / "bin/sh", root / "bin/same")
    (root / os.fsdecode(b"caf\xe9")).write_text("not UTF-8")
    return Image("busybox", "key", str(tmp_path / "key"))


def foreign(tmp_path, reference, config=None):
    place = tmp_path / "oci-1"
    (place / "rootfs").mkdir(parents=True, exist_ok=True)
    facts = {"manifest": f"sha256:{'0123456789abcdef' * 4}", "config": config or {}}
    (place / "image.json").write_text(json.dumps(facts))
    return Image(reference, "oci-1", str(place))


def layout(file):
    """The files in an archive: index, manifest, configuration, and its layer opened."""
    archive = tarfile.open(file)

    def blob(descriptor):
        content = archive.extractfile("blobs/" + descriptor["digest"].replace(":", "/")).read()
        assert len(content) == descriptor["size"]
        assert f"sha256:{sha256(content).hexdigest()}" == descriptor["digest"]
        return content

    index = json.load(archive.extractfile("index.json"))
    manifest = json.loads(blob(index["manifests"][0]))
    (tmp := file.with_suffix(".layer")).write_bytes(blob(manifest["layers"][0]))
    return index, manifest, json.loads(blob(manifest["config"])), tarfile.open(tmp, errors="surrogateescape")


def test_the_archive_holds_every_file_with_its_mode_and_links_once(small, tmp_path):
    digest = export(small, tmp_path / "a.tar")
    index, manifest, config, layer = layout(tmp_path / "a.tar")
    assert index["manifests"][0]["digest"] == digest
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    kinds = {entry.name: entry.type for entry in layer}
    assert kinds == {
        "bin": tarfile.DIRTYPE,
        "bin/ash": tarfile.SYMTYPE,
        "bin/same": tarfile.REGTYPE,
        "bin/sh": tarfile.LNKTYPE,
        os.fsdecode(b"caf\xe9"): tarfile.REGTYPE,
    }
    assert layer.getmember("bin/same").mode == 0o4755
    assert layer.getmember("bin/sh").linkname == "bin/same"


def test_the_archive_tells_nothing_of_when_and_where_it_was_written(small, tmp_path):
    export(small, tmp_path / "a.tar")
    os.utime(small.rootfs / "bin/sh", (1, 1))
    export(small, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    *_, layer = layout(tmp_path / "a.tar")
    assert {(entry.mtime, entry.uname, entry.gname) for entry in layer} == {(0, "", "")}


def test_an_ordinary_users_files_are_roots_in_the_archive(small, tmp_path, monkeypatch):
    for folder, folders, files in os.walk(small.rootfs):
        for each in (folder, *(os.path.join(folder, one) for one in folders + files)):
            if os.geteuid() == 0:
                os.lchown(each, 1000, 1000)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    export(small, tmp_path / "a.tar")
    *_, layer = layout(tmp_path / "a.tar")
    assert {(entry.uid, entry.gid) for entry in layer} == {(0, 0)}


def test_what_a_foreign_image_says_of_itself_is_passed_on(tmp_path):
    said = {"args": ["/x"], "env": {"A": "b"}, "cwd": "/w", "user": "7"}
    export(foreign(tmp_path, "docker://localhost/a:t", said), tmp_path / "a.tar")
    assert layout(tmp_path / "a.tar")[2]["config"] == {"Cmd": ["/x"], "Env": ["A=b"], "WorkingDir": "/w", "User": "7"}


@pytest.mark.parametrize(
    ("reference", "called"),
    [
        ("busybox", "busybox:latest"),
        ("debian:bookworm", "debian:bookworm"),
        ("debian:bookworm+fio+g++", "debian:bookworm-fio-g"),
        (f"debian:sid+{'x' * 300}", f"debian:sid-{'x' * 96}"),
    ],
)
def test_the_name_in_an_engine_is_one_that_engines_allow(reference, called):
    assert name(Image(reference, "key", "/nowhere")) == f"localhost/labkit/{called}"


@pytest.mark.parametrize(
    ("reference", "called"),
    [
        ("docker://localhost:5000/a/b_c:T1", "b-c:t1-0123456789ab"),
        (f"docker://a@sha256:{'0' * 64}", "a:0123456789ab"),
        ("oci:/x/Layout:t", "layout:t-0123456789ab"),
        ("docker-archive:/x/a.tar:n/m:t", "m:t-0123456789ab"),
    ],
)
def test_the_name_of_a_foreign_image_has_a_part_of_its_digest(tmp_path, reference, called):
    assert name(foreign(tmp_path, reference)) == f"localhost/labkit/{called}"


@pytest.mark.parametrize("place", ["none/a.tar", "file/a.tar"])
def test_a_file_that_cannot_be_written_is_one_line_with_a_hint(small, tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(LabkitError, match=r"writing .*a\.tar: ") as raised:
        export(small, tmp_path / place)
    assert raised.value.hint


def test_a_folder_in_the_way_is_refused_and_nothing_is_left_beside_it(small, tmp_path):
    (tmp_path / "here/a.tar").mkdir(parents=True)
    with pytest.raises(LabkitError, match="Is a directory"):
        export(small, tmp_path / "here/a.tar")
    assert os.listdir(tmp_path / "here") == ["a.tar"]


@pytest.mark.parametrize(("into", "words"), [(into_podman, "load --quiet"), (into_containerd, "images import -")])
def test_an_engine_gets_the_archive_on_its_input_and_tells_why_it_does_not_take_it(small, tmp_path, into, words):
    (tmp_path / "labkit").mkdir()
    client = tmp_path / "client"
    client.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/words; cat >{tmp_path}/got.tar\n')
    client.chmod(0o755)
    assert into(small, (str(client), "--root", "/r")) == "localhost/labkit/busybox:latest"
    assert (tmp_path / "words").read_text() == f"--root /r {words}\n"
    export(small, tmp_path / "a.tar")
    assert (tmp_path / "got.tar").read_bytes() == (tmp_path / "a.tar").read_bytes()
    client.write_text("#!/bin/sh\necho 'no such storage' >&2; exit 3\n")
    with pytest.raises(LabkitError, match="image 'busybox': no such storage"):
        into(small, (str(client),))
    assert os.listdir(tmp_path / "labkit") == []


def test_a_missing_engine_is_named(small, tmp_path):
    (tmp_path / "labkit").mkdir()
    with pytest.raises(LabkitError, match="needs labkit-no-engine, not installed"):
        into_podman(small, ("labkit-no-engine",))


def test_the_command_line_prints_name_and_digest(tmp_path, capsys):
    assert main(["image", "export", "busybox", str(tmp_path / "a.tar")]) == 0
    called, digest = capsys.readouterr().out.split()
    assert called == "localhost/labkit/busybox:latest"
    assert layout(tmp_path / "a.tar")[0]["manifests"][0]["digest"] == digest

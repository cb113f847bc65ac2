"""Fetching with stand-ins for skopeo and umoci, which log how they were called."""

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from labkit.cli import main
from labkit.errors import LabkitError, MissingError
from labkit.images import image
from labkit.images.config import architecture
from labkit.images.fetch import fetch
from labkit.images.foreign import parse
from labkit.images.image import find
from labkit.images.key import folder

MANIFEST = '{"what": "the registry serves"}'
DIGEST = f"sha256:{sha256(MANIFEST.encode()).hexdigest()}"
SKOPEO = """#!/bin/sh
echo "skopeo $*" >>"$STAND_IN/log"
case $* in
*inspect*) cat "$STAND_IN/manifest" ;;
*copy*) mkdir -p layout && cp -r "$STAND_IN/layout/." layout ;;
esac
"""
UMOCI = """#!/bin/sh
echo "umoci $*" >>"$STAND_IN/log"
mkdir rootfs/bin && echo hi >rootfs/bin/hi
"""
FAIL = """#!/bin/sh
case $* in *{when}*) printf '%s\\n' '{said}' >&2; exit 1 ;; esac
exec "{instead}" "$@"
"""


class StandIn:
    def __init__(self, place):
        self.place = place
        (place / "bin").mkdir()
        self.program("skopeo", SKOPEO)
        self.program("umoci", UMOCI)
        (place / "manifest").write_text(MANIFEST)
        self.layout({"Cmd": ["/bin/hi"], "Env": ["A=b"], "WorkingDir": "/bin", "User": "7"})

    def program(self, name, text):
        path = self.place / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def fail(self, name, when, said):
        """From now on the program fails with these words where an argument has `when`."""
        path = self.place / "bin" / name
        instead = path.rename(path.with_name(f"real-{name}"))
        self.program(name, FAIL.format(when=when, said=said, instead=instead))

    def layout(self, config):
        blobs = self.place / "layout/blobs/sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        document = {"os": "linux", "architecture": architecture(os.uname().machine), "config": config}
        (blobs / ("b" * 64)).write_text(json.dumps(document))
        (blobs / ("a" * 64)).write_text(json.dumps({"config": {"digest": f"sha256:{'b' * 64}"}}))
        index = {"manifests": [{"digest": f"sha256:{'a' * 64}"}]}
        (self.place / "layout/index.json").write_text(json.dumps(index))

    def log(self):
        log = self.place / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(autouse=True)
def stand_in(tmp_path, monkeypatch):
    place = tmp_path / "stand-in"
    place.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STAND_IN", str(place))
    monkeypatch.setenv("PATH", f"{place}/bin:/usr/bin:/bin")
    return StandIn(place)


def left():
    """What is in the cache but locks."""
    return [name for name in os.listdir(folder()) if not name.endswith("~lock")] if os.path.isdir(folder()) else []


def test_a_fetched_image_has_its_digests_and_says_how_it_is_run():
    found = image("docker://localhost:5000/a/b:t", shown=False)
    assert found.key == f"oci-{os.uname().machine}-{DIGEST[7:]}"
    assert found.manifest == DIGEST
    assert found.digest.startswith("sha256:")
    assert found.defaults() == {"args": ["/bin/hi"], "env": {"A": "b"}, "cwd": "/bin", "user": "7"}
    assert (found.rootfs / "bin/hi").read_text() == "hi\n"
    assert sorted(os.listdir(found.rootfs.parent)) == ["image.json", "rootfs"]


def test_it_is_copied_by_the_digest_that_its_tag_had_and_without_tls_from_loopback_alone(stand_in):
    fetch(parse("localhost:5000/a/b:t"), shown=False)
    inspect, copy, _ = stand_in.log()
    assert inspect.split()[2:] == ["inspect", "--raw", "--tls-verify=false", "docker://localhost:5000/a/b:t"]
    source = f"docker://localhost:5000/a/b@{DIGEST}"
    assert copy.split()[1:] == ["copy", "--quiet", "--src-tls-verify=false", source, "oci:layout:image"]


def test_tls_is_kept_for_a_registry_elsewhere(stand_in):
    fetch(parse("registry.example.org/a:t"), shown=False)
    assert not [line for line in stand_in.log() if "verify" in line]


def test_a_fetched_image_is_not_asked_for_again(stand_in):
    fetched = image("localhost:5000/a:t", shown=False)
    before = stand_in.log()
    assert image("docker://localhost:5000/a:t", shown=False).key == fetched.key
    assert find("localhost:5000/a:t").key == fetched.key
    assert stand_in.log() == before


def test_another_name_of_the_same_manifest_is_not_copied_again(stand_in):
    first = image("localhost:5000/a:t", shown=False)
    second = image("localhost:5000/a:other", shown=False)
    assert second.key == first.key
    assert len([line for line in stand_in.log() if " copy " in line]) == 1


def test_a_local_archive_that_was_changed_is_another_image(stand_in, tmp_path):
    (tmp_path / "a.tar").write_text("one")
    first = image(f"docker-archive:{tmp_path}/a.tar", shown=False)
    (tmp_path / "a.tar").write_text("other")
    (stand_in.place / "manifest").write_text("another manifest")
    assert image(f"docker-archive:{tmp_path}/a.tar", shown=False).key != first.key


def test_an_ordinary_user_unpacks_what_is_their_own(stand_in, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    fetch(parse("localhost:5000/a:t"), shown=False)
    assert stand_in.log()[-1] == "umoci raw unpack --rootless --image layout:image rootfs"


@pytest.mark.parametrize(("there", "told"), [((), "skopeo and umoci"), (("skopeo",), "needs umoci")])
def test_missing_programs_are_named_with_what_to_type(stand_in, monkeypatch, there, told):
    for name in {"skopeo", "umoci"} - set(there):
        (stand_in.place / "bin" / name).unlink()
    monkeypatch.setenv("PATH", f"{stand_in.place}/bin")
    with pytest.raises(MissingError, match=told) as raised:
        image("localhost:5000/a:t", shown=False)
    assert raised.value.hint == "sudo apt-get install skopeo umoci"


FATAL = 'time="2024-01-01T00:00:00Z" level=fatal msg="{}"'


@pytest.mark.parametrize(
    ("program", "when", "said", "told", "hint"),
    [
        (
            "skopeo",
            "inspect",
            FATAL.format('Error parsing image name \\"docker://x/a:t\\": pinging container registry x: refused'),
            "image 'docker://x/a:t': pinging container registry x: refused",
            "is the registry up",
        ),
        ("skopeo", "inspect", FATAL.format("reading manifest: manifest unknown"), "manifest unknown", "list-tags"),
        ("skopeo", "inspect", FATAL.format("open /x: permission denied"), "permission denied", "able to read"),
        ("skopeo", "inspect", FATAL.format("requested access to the resource is denied"), "denied", "skopeo login"),
        ("skopeo", "copy", FATAL.format("Digest did not match, expected a, got b"), "did not match", "damaged"),
        ("skopeo", "copy", FATAL.format("write: no space left on device"), "no space left on the disk", "free some"),
        ("umoci", "unpack", "   ⨯ unpack: no space left on device", "no space left on the disk", "free some"),
        (
            "umoci",
            "unpack",
            "   • unpacking\n   ⨯ unpack: bad layer",
            "image 'docker://x/a:t': unpack: bad layer",
            "umoci",
        ),
        ("umoci", "unpack", "", "umoci ended with status 1", "layers"),
        ("skopeo", "inspect", "\x1b]0;title\x07bad", "image 'docker://x/a:t': ]0;title bad", "skopeo"),
    ],
)
def test_a_failure_is_one_line_with_a_hint_and_leaves_nothing(stand_in, capsys, program, when, said, told, hint):
    stand_in.fail(program, when, said)
    assert main(["image", "build", "x/a:t"]) == 125
    *_, line, last = capsys.readouterr().err.splitlines()
    assert line.startswith("labkit: ")
    assert told in line
    assert last.startswith("hint: ")
    assert hint in last
    assert left() == []
    assert find("x/a:t") is None


def test_a_manifest_that_is_not_the_one_demanded_is_refused(stand_in):
    wrong = f"sha256:{'0' * 64}"
    with pytest.raises(LabkitError, match=f"sent another manifest, {DIGEST}"):
        image(f"localhost:5000/a@{wrong}", shown=False)
    assert not [line for line in stand_in.log() if " copy " in line]
    assert image(f"localhost:5000/a@{DIGEST}", shown=False).manifest == DIGEST


def test_a_malformed_configuration_leaves_nothing(stand_in):
    stand_in.layout({"Cmd": "sh"})
    with pytest.raises(LabkitError, match="malformed"):
        image("localhost:5000/a:t", shown=False)
    assert left() == []


def test_a_root_folder_that_became_a_link_is_refused_and_what_it_leads_to_stays(stand_in, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    stand_in.program("umoci", f"#!/bin/sh\nrmdir rootfs && ln -s {tmp_path}/other rootfs\n")
    with pytest.raises(LabkitError, match="root folder something else"):
        image("localhost:5000/a:t", shown=False)
    assert left() == []
    assert (tmp_path / "other/file").exists()


def test_the_list_has_every_name_and_the_manifest_and_the_last_name_removes_the_image(capsys):
    for name in ("localhost:5000/a:1", "localhost:5000/a:2"):
        image(name, shown=False)
    assert main(["image", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[-1]) for row in rows] == [(f"docker://localhost:5000/a:{tag}", DIGEST[:19]) for tag in (1, 2)]
    assert main(["image", "rm", "localhost:5000/a:1"]) == 0
    assert find("localhost:5000/a:1") is None
    assert find("localhost:5000/a:2") is not None
    assert main(["image", "rm", "localhost:5000/a:2"]) == 0
    assert left() == []
    assert main(["image", "rm", "localhost:5000/a:2"]) == 125
    assert "is not in the cache" in capsys.readouterr().err


def test_all_images_are_removed_with_their_names():
    image("localhost:5000/a:1", shown=False)
    assert main(["image", "rm", "--all"]) == 0
    assert os.listdir(folder()) == os.listdir(Path(folder(), "../references")) == []

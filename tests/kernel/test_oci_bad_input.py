"""Each malformed or contradictory configuration: one line that points to the place, status 1, nothing left behind."""

import json
import os
import subprocess
import sys

import pytest

from labkit.cgroups.detect import detect
from labkit.spec import default

pytestmark = pytest.mark.root

OCI = [sys.executable, "-c", "from labkit.oci.launch import main; main()"]
ID = f"oci-bad-input-{os.getpid()}"


@pytest.fixture
def bundle(rootfs, tmp_path):
    """A bundle that would run; bundle.document is its configuration, bundle.write() writes it."""

    class Bundle:
        path = tmp_path / "bundle"
        document = default.spec(str(rootfs), ("true",)).dump()

        def write(self, text=None):
            data = json.dumps(self.document) if text is None else text
            (self.path / "config.json").write_bytes(data if isinstance(data, bytes) else data.encode())

    Bundle.path.mkdir()
    return Bundle()


@pytest.fixture
def refused(bundle, tmp_path, host_mounts):
    """What `labkit-oci VERB` says of a bundle that cannot be run, once all the rest is checked."""

    def run(verb="run", path=None, id=ID):
        mounts = host_mounts()
        words = [*OCI, "--root", str(tmp_path / "state"), verb, "--bundle", str(path or bundle.path), id]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("time=")
        assert " level=error " in done.stderr
        state = tmp_path / "state"
        assert not state.is_dir() or os.listdir(state) == []
        assert not any(os.path.exists(f"{h.path}/{ID}") for h in detect().hierarchies)
        assert host_mounts() == mounts
        return done.stderr

    return run


@pytest.mark.parametrize("verb", ["run", "create"])
@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/process/args", lambda d: d["process"].update(args="sh")),
        ("/process/env/0", lambda d: d["process"].update(env=["PATH"])),
        ("/process/cwd", lambda d: d["process"].update(cwd="tmp")),
        ("/root/path", lambda d: d["root"].pop("path")),
        ("/linux/namespaces/0/type", lambda d: d["linux"]["namespaces"].insert(0, {"type": "nosuch"})),
        ("/linux/namespaces/1", lambda d: d["linux"]["namespaces"].insert(0, d["linux"]["namespaces"][0])),
        ("/linux/uidMappings", lambda d: d["linux"].update(uidMappings=[{"containerID": 0, "hostID": 0, "size": 1}])),
        ("/linux/resources/memory/limit", lambda d: d["linux"].update(resources={"memory": {"limit": "64M"}})),
        ("/hooks/prestart/0/path", lambda d: d.update(hooks={"prestart": [{"path": "hook"}]})),
        ("/mounts/0/destination", lambda d: d["mounts"].insert(0, {"type": "tmpfs"})),
        ("/mounts/0/destination", lambda d: d["mounts"].insert(0, {"destination": "/../../tmp/x", "type": "tmpfs"})),
    ],
)
def test_a_rule_that_is_broken_is_pointed_to(bundle, refused, verb, pointer, change):
    change(bundle.document)
    bundle.write()
    assert f"config.json#{pointer}" in refused(verb)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "config.json: line 1"),
        (b"{", "config.json: line 1"),
        (b'{"ociVersion": "\xff"}', "not UTF-8 at byte 16"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "must be an object"),
        (b'{"ociVersion": "1.2.0", "x": "' + b"x" * 10 * 2**20 + b'"}', "config.json#/root"),
        (b" " * 17 * 2**20, "is larger than 16 MiB"),
    ],
)
def test_what_is_no_configuration(bundle, refused, text, message):
    bundle.write(text)
    assert message in refused()


def test_what_is_no_bundle(refused, tmp_path):
    assert "config.json: No such file or directory" in refused(path=tmp_path)
    (tmp_path / "file").touch()
    assert "Not a directory" in refused(path=tmp_path / "file")


def test_a_root_filesystem_that_is_a_file_or_not_there(bundle, refused, tmp_path):
    (tmp_path / "file").touch()
    for path, reason in ((tmp_path / "file", "Not a directory"), (tmp_path / "none", "No such file or directory")):
        bundle.document["root"]["path"] = str(path)
        bundle.write()
        assert f"{path}: {reason}" in refused()


@pytest.mark.parametrize("moment", ["prestart", "createRuntime", "createContainer", "startContainer"])
@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ({"path": "/no/such/hook"}, "/no/such/hook: no such file or directory"),
        ({"path": "/bin/sh", "args": ["sh", "-c", "echo why >&2; exit 3"]}, "exit status 3"),
        ({"path": "/bin/sh", "args": ["sh", "-c", "sleep 600"], "timeout": 1}, "longer than its timeout of 1 s"),
    ],
)
def test_a_hook_that_does_not_exist_fails_or_hangs(bundle, refused, moment, hook, message):
    bundle.document["hooks"] = {moment: [hook]}
    bundle.write()
    said = refused()
    assert f"error running {moment} hook #0: /hooks/{moment}/0: " in said
    assert message in said


def test_an_id_that_is_none(bundle, refused):
    bundle.write()
    for id in ("", "..", "a/b", "a b"):
        assert "is not a container id" in refused(id=id)


def test_an_id_that_is_taken(bundle, tmp_path):
    bundle.document["process"]["args"] = ["sleep", "600"]
    bundle.write()
    command = [*OCI, "--root", str(tmp_path / "state")]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert subprocess.run([*command, "create", "--bundle", bundle.path, ID], timeout=60, **silent).returncode == 0
    try:
        again = subprocess.run(
            [*command, "create", "--bundle", bundle.path, ID], capture_output=True, text=True, timeout=60
        )
        assert again.returncode == 1
        assert "exists" in again.stderr
        assert subprocess.run([*command, "state", ID], timeout=60, **silent).returncode == 0
    finally:
        assert subprocess.run([*command, "delete", "--force", ID], timeout=60, **silent).returncode == 0


def test_a_root_for_states_that_is_a_file(bundle, tmp_path):
    bundle.write()
    (tmp_path / "file").touch()
    for verb in (("list",), ("state", "x"), ("run", "--bundle", str(bundle.path), ID)):
        done = subprocess.run(
            [*OCI, "--root", str(tmp_path / "file"), *verb], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert f"{tmp_path / 'file'}: " in done.stderr


def test_a_configuration_that_is_a_fifo_is_not_waited_for(bundle, refused):
    os.mkfifo(bundle.path / "config.json")
    assert "config.json: " in refused()

import base64
import json

import pytest

from labkit.spec import default
from labkit.vm import sandbox
from labkit.vm.guest_bundle import take_apart
from labkit.vm.wire import ANNOTATION


@pytest.fixture
def spec(tmp_path):
    made = default.spec(str(tmp_path), ("sh",))
    made.process.cwd = "/srv"
    return made


@pytest.mark.parametrize("request_", [b"signal 15", b"start", b"end"])
def test_requests_are_passed_to_the_guest_as_lines(spec, request_):
    assert sandbox.translate(request_, spec.process) == request_ + b"\n"


def test_a_further_process_is_the_bundles_with_other_arguments(spec):
    arguments = ["echo", "two words", "a\nline", "ü"]
    line = sandbox.translate(b"exec beef " + json.dumps(arguments).encode(), spec.process)
    word, mark, text = line.decode().rstrip("\n").split(" ")
    added = json.loads(base64.b64decode(text))
    assert (word, mark) == ("exec", "beef")
    assert added["args"] == arguments
    assert added["cwd"] == "/srv"
    assert added["capabilities"] == spec.process.dump()["capabilities"]
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("wired", [True, False])
def test_a_guest_with_a_network_has_its_driver_and_its_address(spec, wired, monkeypatch):
    monkeypatch.setattr(sandbox, "crun", lambda: "/bin/ls")
    if wired:
        spec.annotations[ANNOTATION] = "bridge=labkit0 tap=lk0ad50002 address=10.213.0.2/24 gateway=10.213.0.1"
    guest = sandbox.guest(take_apart(spec, rootless=False), "box", held=False)
    command = {path: content for path, _, content in guest.files}["labkit/command"].splitlines()
    assert ("virtio_net" in guest.modules) is wired
    assert (b"address=10.213.0.2/24" in command and b"gateway=10.213.0.1" in command) is wired


@pytest.mark.parametrize("held", [True, False])
def test_only_a_container_that_is_held_waits_in_a_hook(spec, held, monkeypatch):
    monkeypatch.setattr(sandbox, "crun", lambda: "/bin/ls")
    parts = take_apart(spec, rootless=False)
    files = {path: content for path, _, content in sandbox.guest(parts, "box", held).files}
    hooks = json.loads(files["labkit/bundle/config.json"]).get("hooks")
    assert hooks == ({"createContainer": [{"path": "/labkit/hold"}]} if held else None)
    assert b"id=box\n" in files["labkit/command"]

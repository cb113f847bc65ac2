import base64
import json

import pytest

from labkit.spec import default
from labkit.spec.model import Mount
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


@pytest.mark.parametrize("readonly", [True, False])
def test_places_are_made_on_the_host_for_all_that_a_guest_mounts(spec, readonly, tmp_path, monkeypatch):
    """Where the processor is emulated each program that makes one takes its time."""
    monkeypatch.setattr(sandbox, "crun", lambda: "/bin/ls")
    spec.root.readonly = readonly
    data = Mount(destination="/data", kind="bind", source=str(tmp_path), options=("rbind", "ro"))
    spec.mounts = (*spec.mounts, data)
    parts = take_apart(spec, rootless=False)
    guest = sandbox.guest(parts, "box", held=False)
    files = {path: content for path, _, content in guest.files}
    lines = [line.split() for line in files["labkit/fstab"].decode().splitlines()]
    mounted = {place: kind for _, place, kind, _ in lines}
    assert mounted["/new/shared/rootfs"] == mounted[f"/new/shared/{parts.shares[-1].tag}"] == "virtiofs"
    assert ("/new/shared/layer/root" in mounted) is readonly
    # Below /new all is as in the archive; what is in /sys the kernel has.
    assert {place.removeprefix("/new").lstrip("/") for place in mounted} - {"", "sys/fs/cgroup"} <= set(files)
    assert "new" in files
    assert len(parts.shares) == 2

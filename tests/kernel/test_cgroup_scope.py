"""A container in a scope of systemd, whose part is played by a script that makes the same cgroup."""

import os

import pytest

from labkit import Container
from labkit.cgroups import processes, systemd
from labkit.cgroups.detect import Layout, detect
from labkit.engine.configure import configure
from labkit.linux.proc import read_file, write_file

pytestmark = pytest.mark.root

# The unit is the 9th argument, the placeholder the last but one. What is delegated has all controllers.
SYSTEMD = """#!/bin/sh
folder={mount}/labkittest{pid}.slice/$8
mkdir -p "$folder"
for controller in $(cat {mount}/cgroup.controllers); do
    echo "+$controller" > {mount}/cgroup.subtree_control
    echo "+$controller" > {mount}/labkittest{pid}.slice/cgroup.subtree_control
done
while [ $# -gt 2 ]; do shift; done
echo "$1" > "$folder/cgroup.procs"
"""


def controllers(folder):
    return set(read_file(f"{folder}/cgroup.subtree_control").split())


def test_the_container_is_born_below_the_scope_and_takes_it_away(rootfs, tmp_path, monkeypatch):
    tree = detect().v2()
    if tree is None:
        pytest.skip("no cgroup v2 tree is mounted")
    busctl = tmp_path / "busctl"
    busctl.write_text(SYSTEMD.format(mount=tree.mount, pid=os.getpid()))
    busctl.chmod(0o755)
    monkeypatch.setattr(systemd, "RUNNING", str(tmp_path))
    monkeypatch.setattr(systemd, "BUSCTL", str(busctl))
    monkeypatch.setattr("labkit.engine.prepare.detect.detect", lambda: Layout([tree]))
    slice = f"labkittest{os.getpid()}.slice"
    spec = configure(str(rootfs), ["sleep", "60"])
    spec.linux.cgroups_path = f"{slice}:labkit:box"
    spec.linux.resources.unified = {"cgroup.max.depth": "2"}
    scope = f"{tree.mount}/{slice}/labkit-box.scope"
    enabled = controllers(tree.mount)
    try:
        with Container.from_spec(spec).start() as container:
            with open(f"/proc/{container.pid}/cgroup") as lines:
                assert f"0::/{slice}/labkit-box.scope/{container.id}\n" in lines.readlines()
            assert processes.pids([scope]) == [container.pid]
            assert sorted(entry.name for entry in os.scandir(scope) if entry.is_dir()) == [container.id]
            with open(f"{scope}/{container.id}/cgroup.max.depth") as text:
                assert text.read() == "2\n"
        assert not os.path.exists(scope)
    finally:
        os.rmdir(f"{tree.mount}/{slice}")
        for name in controllers(tree.mount) - enabled:
            write_file(f"{tree.mount}/cgroup.subtree_control", f"-{name}")

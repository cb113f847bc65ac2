"""Images of ours in the storage that the drivers of podman and containerd keep for themselves."""

import shutil
import subprocess

import pytest

from labkit.images import image
from labkit.images.archive import export
from labkit.images.engines import into_containerd, into_podman
from labkit.runtimes import driver

pytestmark = pytest.mark.root


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)}: not installed")


def call(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@needs("podman", "runc")
def test_podmans_storage_takes_an_image_under_the_digest_of_its_archive(tmp_path):
    client = driver("podman:runc").command()
    busybox = image("busybox", shown=False)
    name = into_podman(busybox, client)
    try:
        digest = call(*client, "image", "inspect", "--format", "{{.Digest}}", name).strip()
        assert digest == export(busybox, tmp_path / "a.tar")
        # Once more is the same image.
        assert into_podman(busybox, client) == name
        assert len(call(*client, "images", "--quiet", name).splitlines()) == 1
    finally:
        call(*client, "rmi", name)


@needs("containerd", "ctr", "runc")
def test_containerds_private_daemon_takes_an_image_under_the_digest_of_its_archive(tmp_path):
    containerd = driver("containerd:runc")
    containerd.daemon.start()
    try:
        busybox = image("busybox", shown=False)
        names = {into_containerd(busybox, containerd.command()) for _ in range(2)}
        lines = containerd.call(["images", "ls"]).stdout.splitlines()[1:]
        assert [(line.split()[0], line.split()[2]) for line in lines] == [
            (name, export(busybox, tmp_path / "a.tar")) for name in names
        ]
    finally:
        containerd.cool()

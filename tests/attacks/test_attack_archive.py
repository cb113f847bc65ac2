"""Archives of images with names that lead out: absolute, by `..`, through links; and device nodes.

The class of CVE-2018-15664, CVE-2019-14271 and, for tar itself, CVE-2016-6321. What defends: the options of tar(1) in
labkit/images/unpack.py; the weaker twin has --absolute-names as well. Only ordinary users unpack archives here: as root
an image is made in place.
"""

import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from labkit.images.unpack import unpack_command

pytestmark = pytest.mark.root

NOBODY = 65534


@pytest.fixture
def place():
    """A folder of an ordinary user's, where that user comes."""
    with tempfile.TemporaryDirectory(prefix="labkit-test-archive-") as folder:
        for name in ("", "outside", "unpacked"):
            made = Path(folder, name)
            made.mkdir(exist_ok=True)
            os.chown(made, NOBODY, NOBODY)
        yield Path(folder)


@pytest.fixture
def canary(place):
    """A file beside the root filesystem, which the user could write to."""
    (place / "outside/canary").write_text("the host's")
    os.chown(place / "outside/canary", NOBODY, NOBODY)
    return place / "outside/canary"


@pytest.fixture
def unpacked(place):
    """Unpack an archive of these members; (the root filesystem, the exit status)."""
    rootfs = place / "unpacked"

    def run(*members, weaker=False):
        with tarfile.open(place / "image.tar", "w") as archive:
            for member, content in members:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        command = unpack_command(place / "image.tar", rootfs) + ["--absolute-names"] * weaker
        done = subprocess.run(command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False)
        return rootfs, done.returncode

    return run


def file(name, content=b"the attacker's"):
    member = tarfile.TarInfo(str(name))
    member.mode = 0o644
    return member, content


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(str(name))
    member.type, member.linkname = kind, str(target)
    return member, b""


@pytest.mark.parametrize("weaker", [False, True])
def test_an_absolute_name(unpacked, canary, weaker):
    rootfs, _ = unpacked(file(canary), weaker=weaker)
    assert canary.read_text() == ("the attacker's" if weaker else "the host's")
    assert weaker or (rootfs / str(canary)[1:]).read_text() == "the attacker's"


@pytest.mark.parametrize("weaker", [False, True])
def test_a_name_with_dots(unpacked, canary, weaker):
    unpacked(file("../outside/canary"), weaker=weaker)
    assert canary.read_text() == ("the attacker's" if weaker else "the host's")


@pytest.mark.parametrize("target", ["absolute", "../outside"])
@pytest.mark.parametrize("weaker", [False, True])
def test_a_name_through_a_link(unpacked, canary, target, weaker):
    target = canary.parent if target == "absolute" else target
    rootfs, status = unpacked(link("way", target), file("way/canary"), weaker=weaker)
    assert canary.read_text() == ("the attacker's" if weaker else "the host's")
    assert (status == 0) == weaker
    # The link itself is harmless: the container's root is its `/`.
    assert os.path.islink(rootfs / "way")


@pytest.mark.parametrize("weaker", [False, True])
def test_a_hard_link_to_a_file_of_the_hosts(unpacked, canary, weaker):
    """What is then written to the name is written to the file."""
    rootfs, status = unpacked(link("same", canary, tarfile.LNKTYPE), weaker=weaker)
    assert os.path.exists(rootfs / "same") == weaker
    assert (status == 0) == weaker
    assert canary.stat().st_nlink == (2 if weaker else 1)


def test_a_device_node(unpacked):
    node = tarfile.TarInfo("./disk")
    node.type, node.mode, node.devmajor, node.devminor = tarfile.BLKTYPE, 0o666, 240, 77
    rootfs, status = unpacked((node, b""))
    assert status != 0
    assert not os.path.exists(rootfs / "disk")
    node.name = "./dev/disk"
    assert unpacked((node, b""))[1] == 0
    assert not os.path.exists(rootfs / "dev/disk")

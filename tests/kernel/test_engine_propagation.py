"""Which mounts show up on the other side: propagation between the host's mounts and the container's, and the root's."""

import os
import re
import subprocess

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.linux import mount
from labkit.spec.model import Mount

pytestmark = pytest.mark.root

MOUNTS = ["cat", "/proc/self/mountinfo"]


@pytest.fixture
def shared(tmp_path):
    """A folder that is a shared mount, with `inner` mounted in it; nothing of it is left afterwards."""
    os.chmod(tmp_path, 0o755)
    folder = tmp_path / "shared"
    folder.mkdir()
    mount.mount("tmpfs", str(folder), "tmpfs", 0)
    mount.mount(None, str(folder), None, mount.MS_SHARED)
    (folder / "inner").mkdir()
    mount.mount("tmpfs", f"{folder}/inner", "tmpfs", 0)
    yield folder
    subprocess.run(["umount", "-R", folder], check=True)


@pytest.fixture
def own_rootfs(busybox_rootfs, tmp_path):
    """A root filesystem that a test may write to."""
    os.chmod(tmp_path, 0o755)
    subprocess.run(["cp", "-a", busybox_rootfs, tmp_path / "rootfs"], check=True)
    return tmp_path / "rootfs"


def mounts(text):
    """The optional fields of each mount, without numbers, by where it is."""
    lines = [line.split() for line in text.splitlines()]
    return {words[4]: {field.split(":")[0] for field in words[6 : words.index("-")]} for words in lines}


def run(rootfs, folder, options, args=MOUNTS, root="", overlay=True, **more):
    spec = configure(str(rootfs), args, overlay=overlay, **more)
    if options is not None:
        spec.mounts += (Mount(destination="/data", source=str(folder), options=options),)
    spec.linux.rootfs_propagation = root
    return Container.from_spec(spec).run(timeout=60)


@pytest.mark.parametrize(
    ("options", "outer", "inner"),
    [
        (("rbind",), set(), set()),
        (("rbind", "rprivate"), set(), set()),
        (("rbind", "rslave"), {"master"}, {"master"}),
        (("rbind", "slave"), {"master"}, {"master"}),
        (("rbind", "rslave", "rshared"), {"master", "shared"}, {"master", "shared"}),
        (("rbind", "unbindable"), {"unbindable"}, set()),
        (("rbind", "runbindable"), {"unbindable"}, {"unbindable"}),
    ],
)
def test_a_bind_mount_has_the_propagation_asked_for(rootfs, shared, options, outer, inner):
    found = mounts(run(rootfs, shared, options).text)
    assert (found["/data"], found["/data/inner"]) == (outer, inner)


def test_what_the_host_mounts_later_shows_in_a_slave_alone(rootfs, shared):
    (shared / "later").mkdir()
    script = "echo ready; read line; cat /slave/later/file; cat /private/later/file"
    spec = configure(str(rootfs), ["sh", "-c", script])
    spec.mounts += (
        Mount(destination="/slave", source=str(shared), options=("rbind", "rslave")),
        Mount(destination="/private", source=str(shared), options=("rbind",)),
    )
    inside, ours = os.pipe()
    theirs, outside = os.pipe()
    container = Container.from_spec(spec)
    container.start(inside, outside, outside)
    os.close(inside)
    os.close(outside)
    with open(theirs, "rb") as output:
        assert output.readline() == b"ready\n"
        mount.mount("tmpfs", f"{shared}/later", "tmpfs", 0)
        (shared / "later/file").write_text("seen\n")
        os.write(ours, b"\n")
        os.close(ours)
        text = output.read().decode()
    container.wait(60)
    assert text.startswith("seen\n")
    assert "can't open '/private/later/file'" in text


@pytest.mark.parametrize("overlay", [True, False])
def test_a_shared_mount_under_a_shared_root_shows_outside_what_is_mounted_inside(own_rootfs, shared, overlay):
    before = mount_points()
    script = "mkdir /data/made && mount -t tmpfs none /data/made && touch /data/made/file"
    options = {"cap_add": ["CAP_SYS_ADMIN"], "root": "rshared", "overlay": overlay}
    result = run(own_rootfs, shared, ("rbind", "rshared"), ["sh", "-c", script], **options)
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert (shared / "made/file").exists()
    assert mount_points() == [*before, f"{shared}/made"]


@pytest.mark.parametrize("options", [("rbind",), ("rbind", "rslave"), ("rbind", "rshared")])
def test_nothing_mounted_inside_shows_outside_without_a_shared_root(rootfs, shared, options):
    before = mount_points()
    script = "mkdir /data/made && mount -t tmpfs none /data/made"
    result = run(rootfs, shared, options, ["sh", "-c", script], cap_add=["CAP_SYS_ADMIN"])
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert mount_points() == before


def mount_points():
    with open("/proc/self/mountinfo") as file:
        return [re.sub(r"\\040", " ", line.split()[4]) for line in file]


@pytest.mark.parametrize(
    ("kind", "root", "proc"),
    [
        ("private", set(), set()),
        ("slave", set(), set()),
        ("unbindable", {"unbindable"}, set()),
        ("shared", {"shared"}, set()),
        ("rshared", {"shared"}, {"shared"}),
    ],
)
@pytest.mark.parametrize("overlay", [True, False])
def test_the_root_has_the_propagation_asked_for(own_rootfs, kind, root, proc, overlay):
    before = mount_points()
    found = mounts(run(own_rootfs, None, None, root=kind, overlay=overlay).text)
    assert (found["/"], found["/proc"]) == (root, proc)
    assert mount_points() == before


@pytest.mark.parametrize("kind", ["shared", "rslave"])
def test_a_root_filesystem_on_a_shared_mount_stays_mounted_outside(busybox_rootfs, shared, kind):
    subprocess.run(["cp", "-a", busybox_rootfs, shared / "rootfs"], check=True)
    before = mount_points()
    found = mounts(run(shared / "rootfs", None, None, root=kind, overlay=False).text)
    assert "shared" in found["/"] if kind == "shared" else found["/"] == {"master"}
    assert mount_points() == before


def test_a_tmpfs_begins_as_a_copy_of_what_it_covers(own_rootfs):
    (own_rootfs / "var/sub").mkdir(parents=True)
    (own_rootfs / "var/sub/file").write_text("text\n")
    os.chown(own_rootfs / "var/sub/file", 5, 6)
    (own_rootfs / "var").chmod(0o1750)
    (own_rootfs / "var/link").symlink_to("sub/file")
    script = "cat /var/link; stat -c '%a %u:%g' /var/sub/file; stat -c %a /var; stat -f -c %T /var; echo x > /var/new"
    spec = configure(str(own_rootfs), ["sh", "-c", script], overlay=False)
    spec.mounts += (Mount(destination="/var", kind="tmpfs", options=("tmpcopyup", "nosuid")),)
    result = Container.from_spec(spec).run(timeout=60)
    assert (result.stderr, result.text) == (b"", "text\n644 5:6\n1750\ntmpfs\n")
    assert not (own_rootfs / "var/new").exists()

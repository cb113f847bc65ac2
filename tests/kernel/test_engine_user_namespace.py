"""What the root of a user namespace may not open or make itself: its parent does it for the container."""

import os

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import StepError
from labkit.linux import mount
from labkit.spec.model import Device, IdMapping, Mount, Namespace

pytestmark = pytest.mark.root

OUTSIDE = 100_000


def in_user_namespace(rootfs, script):
    spec = configure(str(rootfs), ["sh", "-c", script])
    spec.linux.namespaces += (Namespace(kind="user"),)
    spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=OUTSIDE, size=65536),)
    return spec


def run(spec):
    result = Container.from_spec(spec).run(timeout=60)
    assert (result.stderr, result.exit_status) == (b"", 0)
    return result.text.splitlines()


@pytest.fixture
def closed(tmp_path):
    """A folder with a file, a symbolic link and a filesystem, below one that only privilege over the host searches."""
    os.chmod(tmp_path, 0o755)
    folder = tmp_path / "closed"
    (folder / "data/inner").mkdir(parents=True)
    (folder / "data/file").write_text("data\n")
    (folder / "link").symlink_to(folder / "data")
    mount.mount("tmpfs", f"{folder}/data/inner", "tmpfs", 0)
    (folder / "data/inner/file").write_text("inner\n")
    folder.chmod(0)
    yield folder
    folder.chmod(0o755)
    mount.umount2(f"{folder}/data/inner")


@pytest.mark.parametrize(
    ("source", "options", "shown"),
    [
        ("data/inner", ("bind", "ro"), ["inner"]),
        ("data", ("rbind", "ro"), ["data", "inner"]),
        ("link", ("rbind",), ["data", "inner"]),
        ("data/file", ("bind",), ["data"]),
    ],
)
def test_a_source_below_a_closed_folder_is_bound(rootfs, closed, source, options, shown):
    script = "cat $(find /data -name file)" if source != "data/file" else "cat /data"
    spec = in_user_namespace(rootfs, script)
    spec.mounts += (Mount(destination="/data", source=f"{closed}/{source}", options=options),)
    assert sorted(run(spec)) == shown


def test_its_attributes_hold_and_no_mount_made_in_it_shows_outside(rootfs, closed):
    spec = in_user_namespace(rootfs, "grep ' /data ' /proc/self/mountinfo; touch /data/x || echo refused")
    spec.mounts += (Mount(destination="/data", source=f"{closed}/data", options=("rbind", "ro", "nosuid")),)
    result = Container.from_spec(spec).run(timeout=60)
    line, refused = result.text.splitlines()
    assert set("ro nosuid".split()) <= set(line.split()[5].split(","))
    assert line.split()[6] == "-"
    assert refused == "refused"


def test_a_bind_that_would_uncover_what_is_mounted_over_is_explained(rootfs, closed):
    spec = in_user_namespace(rootfs, "true")
    spec.mounts += (Mount(destination="/data", source=f"{closed}/data", options=("bind",)),)
    with pytest.raises(StepError, match="Invalid argument") as caught:
        Container.from_spec(spec).run(timeout=60)
    assert "rbind" in caught.value.hint


def test_a_mount_is_idmapped_that_lies_below_a_closed_folder(rootfs, closed):
    spec = in_user_namespace(rootfs, "stat -c %u:%g /data/file")
    maps = (IdMapping(host_id=OUTSIDE, size=65536),)
    # That filesystem itself: not every one that may be below it can be shown so.
    source = f"{closed}/data/inner"
    spec.mounts += (Mount(destination="/data", source=source, options=("bind",), uid_mappings=maps, gid_mappings=maps),)
    try:
        shown = run(spec)
    except StepError as error:
        if error.step == "IdmapSource":
            pytest.skip("a tmpfs can be mounted idmapped since Linux 6.3")
        raise
    assert shown == ["0:0"]


def test_a_source_that_is_not_there_below_a_closed_folder_is_named(rootfs, closed):
    spec = in_user_namespace(rootfs, "true")
    spec.mounts += (Mount(destination="/data", source=f"{closed}/none", options=("bind",)),)
    with pytest.raises(StepError, match=f"{closed}/none: No such file or directory"):
        Container.from_spec(spec).run(timeout=60)


def test_a_root_below_a_closed_folder_is_explained(closed, rootfs):
    spec = in_user_namespace(rootfs, "true")
    spec.root.path = f"{closed}/data"
    with pytest.raises(StepError, match="Permission denied") as caught:
        Container.from_spec(spec).run(timeout=60)
    assert "searchable" in caught.value.hint


def test_listed_devices_work_and_have_the_owner_and_the_mode_asked_for(rootfs):
    names = "/dev/full /dev/new /made/zero"
    spec = in_user_namespace(rootfs, f"stat -c '%F %a %u:%g %t:%T' {names}; head -c 2 /made/zero | wc -c")
    spec.linux.devices = (
        Device(kind="c", path="/dev/full", major=1, minor=7),
        Device(kind="b", path="/dev/new", major=7, minor=250, uid=10, gid=11, mode=0o600),
        Device(kind="c", path="/made/zero", major=1, minor=5, uid=1000, mode=0o100444),
    )
    if not mknod_works():
        pytest.skip("this host lets nobody make device nodes: no CAP_MKNOD")
    assert run(spec) == [
        "character special file 666 0:0 1:7",
        "block special file 600 10:11 7:fa",
        "character special file 444 1000:0 1:5",
        "2",
    ]


def test_the_filesystem_of_the_devices_is_out_of_sight(rootfs):
    spec = in_user_namespace(rootfs, "cat /proc/self/mountinfo")
    spec.linux.devices = (Device(kind="c", path="/dev/new", major=1, minor=3),)
    places = [line.split()[4] for line in run(spec)]
    assert "/dev/new" in places
    assert not any("labkit" in place for place in places)


def mknod_works():
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff"))
    return bool(effective >> 27 & 1)

"""Mounts of every kind, with the options of config.json (config.md, Linux mount options)."""

import contextlib
import json
import os
import re
import shutil

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import SpecError, StepError
from labkit.linux import mount
from labkit.spec.load import load_bundle
from labkit.spec.model import IdMapping, Mount

pytestmark = pytest.mark.root

IDMAPPED_TMPFS = pytest.mark.skipif(
    tuple(int(word) for word in re.findall(r"\d+", os.uname().release)[:2]) < (6, 3),
    reason="a tmpfs can be mounted idmapped since Linux 6.3",
)


def run(rootfs, script, *mounts, **options):
    spec = configure(str(rootfs), ["sh", "-c", script], **options)
    spec.mounts += mounts
    return Container.from_spec(spec).run(timeout=60)


def table(text):
    """mountinfo by mount point: the mount's options, and the filesystem's."""
    found = {}
    for line in text.splitlines():
        head, _, tail = line.partition(" - ")
        found[head.split()[4]] = (set(head.split()[5].split(",")), set(tail.split()[2].split(",")))
    return found


def look(rootfs, *mounts, **options):
    result = run(rootfs, "cat /proc/self/mountinfo", *mounts, **options)
    assert (result.stderr, result.exit_status) == (b"", 0)
    return table(result.text)


@pytest.fixture
def tree(tmp_path):
    """A folder with a tmpfs mounted in it."""
    os.chmod(tmp_path, 0o755)
    (tmp_path / "tree/inner").mkdir(parents=True)
    mount.mount("tmpfs", f"{tmp_path}/tree/inner", "tmpfs", 0)
    (tmp_path / "tree/inner/file").touch()
    (tmp_path / "tree/file").touch()
    yield tmp_path / "tree"
    mount.umount2(f"{tmp_path}/tree/inner")


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("ro", "ro"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("nosymfollow", "nosymfollow"),
    ],
)
def test_an_attribute_is_of_one_mount_and_with_an_r_of_all_below(rootfs, tree, word, shown):
    found = look(rootfs, Mount(destination="/data", source=str(tree), options=("rbind", word)))
    assert shown in found["/data"][0]
    assert shown not in found["/data/inner"][0]
    found = look(rootfs, Mount(destination="/data", source=str(tree), options=("rbind", f"r{word}")))
    assert shown in found["/data"][0]
    assert shown in found["/data/inner"][0]


def test_a_plain_bind_shows_nothing_mounted_below(rootfs, tree):
    found = look(rootfs, Mount(destination="/data", source=str(tree), options=("bind",)))
    assert "/data/inner" not in found


def test_recursive_words_take_attributes_away_as_well(rootfs, tree):
    options = ("rbind", "rnosuid", "rnoexec", "rstrictatime", "rsuid", "rexec", "rnostrictatime")
    found = look(rootfs, Mount(destination="/data", source=str(tree), options=options))
    assert not found["/data/inner"][0] & {"nosuid", "noexec"}
    assert "relatime" in found["/data/inner"][0]


@pytest.mark.parametrize(("word", "shown"), [("sync", "sync"), ("dirsync", "dirsync"), ("lazytime", "lazytime")])
def test_flags_of_the_filesystem_take_effect(rootfs, word, shown):
    found = look(rootfs, Mount(destination="/data", kind="tmpfs", source="x", options=(word, "size=64k")))
    assert {shown, "size=64k"} <= found["/data"][1]


def test_words_without_effect_are_not_taken_for_the_filesystems(rootfs):
    words = ("async", "nolazytime", "nomand", "silent", "loud", "iversion", "noiversion", "defaults", "norelatime")
    assert "/data" in look(rootfs, Mount(destination="/data", kind="tmpfs", source="x", options=words))


def test_a_read_only_tmpfs_still_takes_the_mounts_that_come_into_it(rootfs, tree):
    found = look(
        rootfs,
        Mount(destination="/data", kind="tmpfs", source="x", options=("ro",)),
        Mount(destination="/data/deep/er", source=str(tree), options=("bind",)),
    )
    assert "ro" in found["/data"][0]
    assert "rw" in found["/data/deep/er"][0]


def test_a_read_only_dev_has_its_devices(rootfs):
    spec = configure(str(rootfs), ["sh", "-c", "echo x > /dev/null && ls /dev/zero && touch /dev/x"])
    for entry in spec.mounts:
        if entry.destination == "/dev":
            entry.options += ("ro",)
    result = Container.from_spec(spec).run(timeout=60)
    assert result.text == "/dev/zero\n"
    assert b"Read-only file system" in result.stderr


def test_a_relative_destination_counts_from_the_root(rootfs):
    assert "/some/place" in look(rootfs, Mount(destination="some/place", kind="tmpfs", source="x"))


def test_a_file_is_bound_over_a_file_and_to_where_none_is(rootfs, tmp_path):
    (tmp_path / "file").write_text("given\n")
    options = ("bind", "ro")
    result = run(
        rootfs,
        "cat /etc/passwd /made/file",
        Mount(destination="/etc/passwd", source=f"{tmp_path}/file", options=options),
        Mount(destination="/made/file", kind="none", source=f"{tmp_path}/file", options=options),
    )
    assert result.text == "given\ngiven\n"


def test_a_destination_through_a_symlink_of_the_image_stays_inside(busybox_rootfs, tmp_path):
    os.chmod(tmp_path, 0o755)
    root = shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)
    (root / "real").mkdir()
    (root / "link").symlink_to("/real")
    (root / "out").symlink_to("../../../../real")
    found = look(
        root,
        Mount(destination="/link/a", kind="tmpfs", source="x"),
        Mount(destination="/out", kind="tmpfs", source="x"),
    )
    assert {"/real/a", "/real"} <= set(found)


def test_the_hosts_own_devices_can_be_bound(rootfs):
    spec = configure(str(rootfs), ["ls", "-l", "/dev/null", "/dev/full"])
    spec.mounts = tuple(entry for entry in spec.mounts if not entry.destination.startswith("/dev"))
    spec.mounts += (Mount(destination="/dev", kind="bind", source="/dev", options=("rbind", "rro")),)
    result = Container.from_spec(spec).run(timeout=60)
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert re.search(r"^crw.* 1, +7 .*/dev/full$", result.text, re.MULTILINE)


def test_message_queues(rootfs):
    found = look(rootfs, Mount(destination="/queues", kind="mqueue", source="mqueue", options=("nosuid", "ro")))
    assert {"ro", "nosuid"} <= found["/queues"][0]


def test_an_overlay(rootfs, tmp_path):
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/file").write_text("below\n")
    options = (f"lowerdir={tmp_path}/lower", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work")
    entry = Mount(destination="/data", kind="overlay", source="overlay", options=options)
    assert run(rootfs, "cat /data/file; echo above > /data/file", entry).text == "below\n"
    assert (tmp_path / "lower/file").read_text() == "below\n"
    assert (tmp_path / "upper/file").read_text() == "above\n"


def test_what_is_mounted_can_be_mounted_otherwise(rootfs, tree):
    first = Mount(destination="/data", kind="tmpfs", source="x", options=("size=64k",))
    again = Mount(destination="/data", kind="none", options=("remount", "noexec", "size=128k"))
    found = look(rootfs, first, again)
    assert "noexec" in found["/data"][0]
    assert "size=128k" in found["/data"][1]
    below = Mount(destination="/data", source=str(tree), options=("rbind",))
    again = Mount(destination="/data/inner", options=("bind", "remount", "ro"))
    found = look(rootfs, below, again)
    assert "ro" in found["/data/inner"][0]
    assert "ro" not in found["/data"][0]
    (tree / "inner/written").touch()


WITHOUT_CGROUP = ("pid", "mount", "uts", "ipc", "network")


def cgroups(rootfs, args, *words, **options):
    spec = configure(str(rootfs), args, **options)
    kept = [entry for entry in spec.mounts if entry.kind != "cgroup"]
    spec.mounts = (*kept, Mount(destination="/sys/fs/cgroup", kind="cgroup", source="cgroup", options=words))
    return Container.from_spec(spec)


def test_cgroups_are_mounted_for_writing_where_that_is_asked(rootfs):
    found = table(cgroups(rootfs, ["cat", "/proc/self/mountinfo"], "nosuid").run(timeout=60).text)
    below = {place for place in found if place.startswith("/sys/fs/cgroup")}
    assert below
    assert all({"rw", "nosuid"} <= found[place][0] for place in below)


def test_without_a_namespace_a_container_sees_its_own_cgroups_and_of_others_none_to_write(rootfs):
    script = """
    cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
    cat /proc/self/mountinfo
    """
    container = cgroups(rootfs, ["sh", "-c", script], namespaces=WITHOUT_CGROUP, memory="64M")
    first, _, text = container.run(timeout=60).text.partition("\n")
    assert first == str(64 * 2**20)
    for line in text.splitlines():
        words = line.split()
        if words[4].startswith("/sys/fs/cgroup/"):
            # The fourth word is what of the tree is shown: all of it cannot be written.
            assert words[3] != "/" or words[5].startswith("ro")


def test_without_a_namespace_cgroups_are_read_only_when_asked(rootfs):
    # The second finds the hierarchies of v1; on v2 there is the first alone.
    script = "for folder in /sys/fs/cgroup/ /sys/fs/cgroup/*/; do [ -d $folder ] && mkdir ${folder}made 2>&1; done"
    container = cgroups(rootfs, ["sh", "-c", script], "ro", namespaces=WITHOUT_CGROUP, memory="64M")
    lines = container.run(timeout=60).text.splitlines()
    assert lines
    assert all("Read-only file system" in line for line in lines)


@contextlib.contextmanager
def owned(folder, *owners):
    for number in owners:
        (folder / f"of{number}").touch()
        os.chown(folder / f"of{number}", number, number)
    yield


def maps(inside, outside, size=10):
    return (IdMapping(container_id=inside, host_id=outside, size=size),)


@IDMAPPED_TMPFS
def test_files_are_shown_with_mapped_owners_and_keep_their_own(rootfs, tree):
    with owned(tree, 0, 5), owned(tree / "inner", 5):
        entry = Mount(
            destination="/data",
            source=str(tree),
            options=("rbind",),
            uid_mappings=maps(0, 1000),
            gid_mappings=maps(0, 2000),
        )
        script = "stat -c '%u:%g' /data/of0 /data/of5 /data/inner/of5"
        assert run(rootfs, script, entry).text.split() == ["1000:2000", "1005:2005", "5:5"]
        entry.options = ("rbind", "ridmap")
        assert run(rootfs, script, entry).text.split() == ["1000:2000", "1005:2005", "1005:2005"]
        assert (tree / "of5").stat().st_uid == 5


def test_the_containers_own_maps_hold_where_none_are_given(rootfs, tree):
    with owned(tree, 0, 5):
        entry = Mount(destination="/data", source=str(tree), options=("bind", "idmap"))
        script = "stat -c '%u:%g' /data/of0 /data/of5; touch /data/made"
        namespaces = ("user", "mount", "pid", "ipc", "uts", "network", "cgroup")
        result = run(rootfs, script, entry, namespaces=namespaces)
        assert (result.stderr, result.text.split()) == (b"", ["0:0", "5:5"])
        # Written as the container's user 0, it is the host's user 0 on the disk.
        assert (tree / "made").stat().st_uid == 0


@IDMAPPED_TMPFS
def test_an_idmapped_mount_is_private(rootfs, tree):
    entry = Mount(destination="/data", source=f"{tree}/inner", options=("bind", "idmap"), uid_mappings=maps(0, 1))
    entry.gid_mappings = entry.uid_mappings
    text = run(rootfs, "grep ' /data ' /proc/self/mountinfo", entry).text
    assert text
    assert "shared:" not in text


@pytest.mark.parametrize(
    ("pointer", "entry"),
    [
        ("/options/1", {"source": "/etc", "options": ["bind", "idmap"]}),
        ("/gidMappings", {"source": "/etc", "options": ["bind"], "uidMappings": [[0, 1, 2]]}),
        ("/uidMappings", {"source": "/etc", "options": ["bind"], "gidMappings": [[0, 1, 2]]}),
        ("/uidMappings", {"type": "tmpfs", "uidMappings": [[0, 1, 2]], "gidMappings": [[0, 1, 2]]}),
        ("/options/0", {"type": "tmpfs", "options": ["idmap"]}),
        ("/options", {"source": "/etc", "options": ["bind", "tmpcopyup"]}),
        ("/source", {"options": ["bind"]}),
        ("/type", {"source": "/etc"}),
        ("/type", {"source": "/etc", "type": "none"}),
        ("/destination", {"destination": "/", "type": "tmpfs"}),
        ("/destination", {"destination": "/a/../..", "type": "tmpfs"}),
        ("/destination", {"destination": "", "type": "tmpfs"}),
    ],
)
def test_what_no_mount_can_be_is_an_error_with_its_place(rootfs, tmp_path, pointer, entry):
    for name in ("uidMappings", "gidMappings"):
        if name in entry:
            inside, outside, size = entry[name][0]
            entry[name] = [{"containerID": inside, "hostID": outside, "size": size}]
    document = configure(str(rootfs), ["true"]).dump()
    document["mounts"].append({"destination": "/data"} | entry)
    (tmp_path / "config.json").write_text(json.dumps(document))
    with pytest.raises(SpecError) as caught:
        Container.from_spec(load_bundle(str(tmp_path)))
    assert caught.value.pointer == f"/mounts/{len(document['mounts']) - 1}{pointer}"


def test_a_user_namespace_binds_what_its_ids_may_not_search(rootfs, tmp_path):
    (tmp_path / "closed/data").mkdir(parents=True)
    (tmp_path / "closed/data/file").write_text("given\n")
    (tmp_path / "closed").chmod(0o700)
    entry = Mount(destination="/data", source=f"{tmp_path}/closed/data", options=("rbind",))
    namespaces = ("user", "mount", "pid", "ipc", "uts", "network", "cgroup")
    assert run(rootfs, "cat /data/file", entry, namespaces=namespaces).text == "given\n"


def test_a_filesystem_does_not_go_onto_a_file(rootfs):
    with pytest.raises(StepError, match="/etc/passwd: Not a directory"):
        run(rootfs, "true", Mount(destination="/etc/passwd", kind="tmpfs", source="x"))


def test_a_filesystem_that_cannot_be_idmapped_is_said(rootfs):
    entry = Mount(destination="/data", source="/proc", options=("bind",), uid_mappings=maps(0, 1))
    entry.gid_mappings = entry.uid_mappings
    with pytest.raises(StepError, match="IdmapSource: /proc: Invalid argument") as caught:
        run(rootfs, "true", entry)
    assert "not every filesystem" in caught.value.hint
    assert Container(rootfs, ["true"]).run(timeout=60).exit_status == 0

"""User and mount namespaces that exist already, and containers without a mount namespace."""

import os
import shutil
import subprocess
import tempfile

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import SpecError
from labkit.linux import mount
from labkit.linux.idmaps import read_maps
from labkit.spec.model import IdMapping, Mount, Namespace

pytestmark = pytest.mark.root

MAP = (0, 100_000, 65536)


@pytest.fixture
def own_rootfs(busybox_rootfs, tmp_path):
    """A root filesystem that a test may spoil."""
    os.chmod(tmp_path, 0o755)
    return shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)


def owner(*flags):
    return subprocess.Popen(
        ["unshare", *flags, "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.fixture
def trees():
    """A process with a mount namespace of its own."""
    process = owner("-m")
    assert process.stdout.readline() == b"ready\n"
    yield process.pid
    process.communicate()


@pytest.fixture
def users():
    """A process with a user namespace of its own and everything else made in it."""
    process = owner("-U", "-m", "-n", "-i", "-u")
    assert process.stdout.readline() == b"ready\n"
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{process.pid}/{name}", "w") as file:
            file.write(" ".join(map(str, MAP)))
    yield process.pid
    process.communicate()


def joining(rootfs, args, **paths):
    spec = configure(str(rootfs), args, overlay=False)
    spec.hostname = ""
    others = [entry for entry in spec.linux.namespaces if entry.kind not in paths]
    spec.linux.namespaces = (*others, *(Namespace(kind=kind, path=path) for kind, path in paths.items()))
    return spec


def test_the_program_is_in_the_user_namespace_and_owns_the_new_ones(rootfs, users):
    script = "readlink /proc/self/ns/user; id -u; cat /proc/self/uid_map; echo $$; touch /dev/shm/x && ls -n /dev/shm"
    spec = joining(rootfs, ["sh", "-c", script], user=f"/proc/{users}/ns/user")
    result = Container.from_spec(spec).run(timeout=60)
    lines = result.text.splitlines()
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert lines[0] == os.readlink(f"/proc/{users}/ns/user")
    assert lines[1] == "0"
    assert tuple(map(int, lines[2].split())) == MAP
    assert lines[3] == "1"
    assert lines[5].split()[2:4] == ["0", "0"]


def test_from_outside_it_is_the_user_that_the_map_says(rootfs, users):
    spec = joining(rootfs, ["cat"], user=f"/proc/{users}/ns/user")
    inside, outside = os.pipe()
    with Container.from_spec(spec) as container:
        container.start(inside)
        os.close(inside)
        assert os.stat(f"/proc/{container.pid}").st_uid == MAP[1]
        os.close(outside)
        assert container.wait(60) == 0


def test_a_whole_family_of_namespaces_is_joined(rootfs, users):
    kinds = {"user": "user", "network": "net", "ipc": "ipc", "uts": "uts"}
    paths = {kind: f"/proc/{users}/ns/{name}" for kind, name in kinds.items()}
    spec = joining(rootfs, ["sh", "-c", "for n in user net ipc uts; do readlink /proc/self/ns/$n; done"], **paths)
    result = Container.from_spec(spec).run(timeout=60)
    assert result.stderr == b""
    assert result.text.split() == [os.readlink(path) for path in paths.values()]


def test_the_exit_status_and_the_signal_come_through(rootfs, users):
    for script, status in (("exit 7", 7), ("kill -9 $$; exit 1", 1)):
        spec = joining(rootfs, ["sh", "-c", script], user=f"/proc/{users}/ns/user")
        assert Container.from_spec(spec).run(timeout=60).exit_status == status


def test_nothing_is_left_open_by_a_user_namespace_joined(rootfs, users):
    spec = joining(rootfs, ["true"], user=f"/proc/{users}/ns/user")
    assert Container.from_spec(spec).run(timeout=60).exit_status == 0
    spec = configure(str(rootfs), ["readlink", "/proc/self/ns/user"])
    assert Container.from_spec(spec).run(timeout=60).text.strip() == os.readlink("/proc/self/ns/user")


def test_maps_are_read_through_a_file_that_only_stands_for_the_namespace(users, tmp_path):
    file = tmp_path / "ns"
    file.touch()
    mount.mount(f"/proc/{users}/ns/user", str(file), None, 0x1000)
    try:
        assert read_maps(str(file)) == ((MAP,), (MAP,)) == read_maps(f"/proc/{users}/ns/user")
    finally:
        mount.umount2(str(file))


def test_an_id_that_the_joined_namespace_lacks_is_said(rootfs, users):
    spec = joining(rootfs, ["true"], user=f"/proc/{users}/ns/user")
    spec.process.user.uid = 70_000
    with pytest.raises(SpecError, match="70000 is not in the user namespace's map"):
        Container.from_spec(spec)


def test_maps_that_are_not_those_of_the_joined_namespace_are_refused(rootfs, users):
    spec = joining(rootfs, ["true"], user=f"/proc/{users}/ns/user")
    spec.linux.uid_mappings = (IdMapping(host_id=5, size=1),)
    with pytest.raises(SpecError) as caught:
        Container.from_spec(spec)
    assert caught.value.pointer == "/linux/uidMappings"


def test_a_user_namespace_without_maps_is_refused(rootfs):
    process = owner("-U")
    assert process.stdout.readline() == b"ready\n"
    try:
        with pytest.raises(SpecError, match="has no uid map yet"):
            Container.from_spec(joining(rootfs, ["true"], user=f"/proc/{process.pid}/ns/user"))
    finally:
        process.communicate()


def test_a_mount_namespace_is_entered_and_its_tree_used(own_rootfs, trees):
    script = "readlink /proc/self/ns/mnt; ls -d /proc/self /dev/null; ls /"
    spec = joining(own_rootfs, ["sh", "-c", script], mount=f"/proc/{trees}/ns/mnt")
    container = Container.from_spec(spec)
    assert any("stays in the mount namespace" in note for note in container.plan.notes)
    result = container.run(timeout=60)
    assert (result.stderr, result.exit_status) == (b"", 0)
    lines = result.text.splitlines()
    assert lines[0] == os.readlink(f"/proc/{trees}/ns/mnt")
    assert lines[1:3] == ["/dev/null", "/proc/self"]
    assert set(lines[3:]) == {"bin", "dev", "etc", "proc", "root", "sys", "tmp"}
    # Made there, seen there, and nowhere else.
    with open(f"/proc/{trees}/mountinfo") as theirs, open("/proc/self/mountinfo") as ours:
        assert f" {own_rootfs}/proc " in theirs.read()
        assert str(own_rootfs) not in ours.read()
    assert os.readlink(f"/proc/{trees}/root") == "/"


def test_the_root_is_looked_up_in_the_mount_namespace_joined(busybox_rootfs, trees):
    place = tempfile.mkdtemp(prefix="labkit-test-hidden-")
    try:
        inside = ["nsenter", "-t", str(trees), "-m"]
        subprocess.run([*inside, "mount", "-t", "tmpfs", "none", place], check=True)
        subprocess.run([*inside, "cp", "-a", str(busybox_rootfs), f"{place}/rootfs"], check=True)
        spec = joining(f"{place}/rootfs", ["echo", "found"], mount=f"/proc/{trees}/ns/mnt")
        assert Container.from_spec(spec).run(timeout=60).text == "found\n"
        assert os.listdir(place) == []
    finally:
        os.rmdir(place)


def test_a_user_namespace_and_its_mount_namespace_are_joined_together(own_rootfs, users):
    paths = {"user": f"/proc/{users}/ns/user", "mount": f"/proc/{users}/ns/mnt"}
    spec = joining(own_rootfs, ["sh", "-c", "for n in user mnt; do readlink /proc/self/ns/$n; done"], **paths)
    result = Container.from_spec(spec).run(timeout=60)
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert result.text.split() == [os.readlink(path) for path in paths.values()]


@pytest.mark.parametrize("kind", ["mount", "user"])
def test_labkits_own_namespace_is_not_one_to_join(rootfs, kind):
    name = {"mount": "mnt"}.get(kind, kind)
    spec = joining(rootfs, ["true"], **{kind: f"/proc/self/ns/{name}"})
    with pytest.raises(SpecError, match="of labkit itself") as caught:
        Container.from_spec(spec)
    assert caught.value.pointer == f"/linux/namespaces/{len(spec.linux.namespaces) - 1}/path"


def without_mounts(rootfs, args, *kinds):
    spec = configure(str(rootfs), args, overlay=False)
    spec.linux.namespaces = tuple(Namespace(kind=kind) for kind in kinds)
    spec.hostname = ""
    spec.mounts = spec.linux.masked_paths = spec.linux.readonly_paths = ()
    return spec


@pytest.mark.parametrize("user", [False, True])
def test_without_a_mount_namespace_the_root_is_changed_and_nothing_mounted(own_rootfs, user, host_mounts):
    before = host_mounts()
    spec = without_mounts(own_rootfs, ["sh", "-c", "ls /; cat /etc/group"], "pid", *(["user"] if user else []))
    if user:
        spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    container = Container.from_spec(spec)
    assert any("chroot" in note for note in container.plan.notes)
    result = container.run(timeout=60)
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert result.text.split() == ["bin", "dev", "etc", "proc", "root", "sys", "tmp", *GROUPS]
    assert host_mounts() == before


GROUPS = ["root:x:0:", "ann:x:1000:", "staff:x:50:ann"]


def test_without_any_namespace(own_rootfs):
    result = Container.from_spec(without_mounts(own_rootfs, ["ls", "/"])).run(timeout=60)
    assert result.text.split() == ["bin", "dev", "etc", "proc", "root", "sys", "tmp"]


@pytest.mark.parametrize("how", ["none", "joined", "user"])
def test_a_further_program_begins_in_a_root_that_is_had_by_chroot_alone(own_rootfs, trees, how):
    if how == "joined":
        spec = joining(own_rootfs, ["sleep", "600"], mount=f"/proc/{trees}/ns/mnt")
    else:
        spec = without_mounts(own_rootfs, ["sleep", "600"], "pid", *(["user"] if how == "user" else []))
    if how == "user":
        spec.linux.uid_mappings = spec.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    with Container.from_spec(spec) as container:
        container.start()
        result = container.exec(["ls", "/"], timeout=60)
    assert (result.stderr, result.exit_status) == (b"", 0)
    assert result.text.split() == ["bin", "dev", "etc", "proc", "root", "sys", "tmp"]


def test_an_overlay_needs_a_mount_namespace_of_its_own(rootfs, trees):
    spec = joining(rootfs, ["true"], mount=f"/proc/{trees}/ns/mnt")
    spec.annotations["dev.labkit.root.overlay"] = "tmpfs"
    with pytest.raises(SpecError) as caught:
        Container.from_spec(spec)
    assert caught.value.pointer == "/annotations/dev.labkit.root.overlay"


def test_idmapped_mounts_have_the_maps_of_the_user_namespace_joined(rootfs, users, tmp_path):
    os.chmod(tmp_path, 0o755)
    (tmp_path / "file").touch()
    spec = joining(rootfs, ["stat", "-c", "%u:%g", "/tmp/file"], user=f"/proc/{users}/ns/user")
    spec.mounts += (Mount(destination="/tmp", source=str(tmp_path), options=("bind", "idmap")),)
    assert Container.from_spec(spec).run(timeout=60).text == "0:0\n"

"""The file tree inside, and what becomes of the one outside."""

import os
import shutil

import pytest

from labkit import Container
from labkit.engine.configure import configure
from labkit.errors import StepError
from labkit.spec.model import Mount

pytestmark = pytest.mark.root


@pytest.fixture
def own_rootfs(busybox_rootfs, tmp_path):
    """A root filesystem that a test may spoil."""
    os.chmod(tmp_path, 0o755)
    return shutil.copytree(busybox_rootfs, tmp_path / "rootfs", symlinks=True)


def run(rootfs, script, **options):
    return Container(rootfs, ["sh", "-c", script], **options).run(timeout=60)


def tree(folder):
    return {
        os.path.relpath(os.path.join(place, name), folder)
        for place, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


def test_writes_go_to_the_overlay(own_rootfs):
    before = tree(own_rootfs)
    result = run(own_rootfs, "rm /bin/vi; echo x > /etc/passwd; mkdir /new; ls -d /new; ls /bin/vi")
    assert result.text == "/new\n"
    assert tree(own_rootfs) == before
    assert "ann" in (own_rootfs / "etc/passwd").read_text()


def test_writes_go_to_the_folder_itself_when_asked(own_rootfs):
    assert run(own_rootfs, "echo x > /made", overlay=False).exit_status == 0
    assert (own_rootfs / "made").read_text() == "x\n"


def test_a_read_only_root(own_rootfs):
    result = run(own_rootfs, "echo x > /made", readonly=True)
    assert result.exit_status == 1
    assert b"Read-only file system" in result.stderr
    assert not (own_rootfs / "made").exists()


@pytest.mark.parametrize("name", ["a:b", "a,b", "a\\b", "a b", "ü"])
def test_a_root_filesystem_with_any_name(busybox_rootfs, tmp_path, name):
    os.chmod(tmp_path, 0o755)
    shutil.copytree(busybox_rootfs, tmp_path / name, symlinks=True)
    assert run(tmp_path / name, "echo x > /f; cat /f").text == "x\n"
    assert not (tmp_path / name / "f").exists()


def test_the_hosts_tree_is_gone(rootfs, tmp_path):
    assert run(rootfs, f"ls {tmp_path} 2>/dev/null; ls /").text.split() == "bin dev etc proc root sys tmp".split()


def test_volumes(rootfs, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/file").write_text("given")
    volume = f"{tmp_path}/data:/data"
    assert run(rootfs, "cat /data/file; echo taken > /data/file", volumes=[volume]).text == "given"
    assert (tmp_path / "data/file").read_text() == "taken\n"
    refused = run(rootfs, "echo more > /data/file", volumes=[f"{volume}:ro"])
    assert b"Read-only file system" in refused.stderr
    assert run(rootfs, "cat /one", volumes=[f"{tmp_path}/data/file:/one:ro"]).text == "taken\n"


def test_masked_paths_show_nothing(rootfs):
    result = run(rootfs, "cat /proc/timer_list /proc/keys; ls -A /sys/firmware; echo end")
    assert result.text == "end\n"


def test_paths_that_would_change_the_host_are_read_only(rootfs):
    result = run(
        rootfs,
        "echo 1 > /proc/sys/kernel/panic; echo 1 > /proc/irq/default_smp_affinity; echo 1 > /sys/kernel/profiling",
    )
    assert result.stderr.count(b"Read-only file system") == 3


@pytest.mark.parametrize("overlay", [True, False])
def test_a_symlink_of_the_image_does_not_lead_a_mount_out(own_rootfs, tmp_path, overlay):
    (tmp_path / "victim").mkdir()
    shutil.rmtree(own_rootfs / "proc")
    (own_rootfs / "proc").symlink_to(tmp_path / "victim")
    container = Container(own_rootfs, ["ls", "/"], overlay=overlay)
    with pytest.raises(StepError) as caught:
        container.run(timeout=60)
    assert caught.value.step == "MountFilesystem"
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_relative_symlink_of_the_image_is_followed_inside(own_rootfs, tmp_path):
    (tmp_path / "given").mkdir()
    (tmp_path / "given/seen").touch()
    (own_rootfs / "real").mkdir()
    (own_rootfs / "data").symlink_to("../../real")
    assert run(own_rootfs, "ls /real", volumes=[f"{tmp_path}/given:/data"]).text == "seen\n"


def test_procfs_is_mounted_on_no_symlink_of_the_image(own_rootfs):
    shutil.rmtree(own_rootfs / "proc")
    (own_rootfs / "real").mkdir()
    (own_rootfs / "proc").symlink_to("/real")
    with pytest.raises(StepError, match='/proc: filesystem "proc" must be mounted on ordinary directory'):
        run(own_rootfs, "true")


def test_no_descriptor_of_the_engine_goes_with_the_program(rootfs, tmp_path):
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        lines = Container(rootfs, ["ls", "-l", "/proc/self/fd"]).run(timeout=60).text.splitlines()
    targets = [line.split()[8:] for line in lines if not line.startswith("total")]
    # 3 is the folder that ls itself reads, which is closed before its name could be asked for.
    assert [words[0] for words in targets] == ["0", "1", "2", "3"]
    assert all(words[2].startswith("pipe:") for words in targets[:3])
    assert targets[3] == ["3"] or targets[3][2].startswith("/proc/")


def test_a_working_folder_that_is_missing_is_said(rootfs):
    with pytest.raises(StepError, match="EnterFolder: /nowhere: No such file") as caught:
        run(rootfs, "true", cwd="/nowhere")
    assert "--cwd" in caught.value.hint


def test_a_filesystem_without_room_is_said(own_rootfs):
    spec = configure(str(own_rootfs), ["true"])
    spec.mounts = (
        Mount(destination="/tmp", kind="tmpfs", options=("size=4k", "nr_inodes=2")),
        Mount(destination="/tmp/a", kind="tmpfs"),
        Mount(destination="/tmp/b", kind="tmpfs"),
        *spec.mounts,
    )
    with pytest.raises(StepError, match="No space left on device") as caught:
        Container.from_spec(spec).run(timeout=60)
    assert "full" in caught.value.hint


def test_a_refused_mount_option_is_named(rootfs):
    spec = configure(str(rootfs), ["true"])
    spec.mounts += (Mount(destination="/tmp", kind="tmpfs", options=("colour=red",)),)
    with pytest.raises(StepError, match="tmpfs option colour=red"):
        Container.from_spec(spec).run(timeout=60)

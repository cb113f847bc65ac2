"""Real builds. One of Debian at most, and none where the user's cache has it; the others are ended early."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from labkit.images import image
from labkit.images.contents import mounts_below
from labkit.images.debian import KEYRING

pytestmark = pytest.mark.root

LABKIT = [sys.executable, "-c", "import sys; from labkit.cli import main; sys.exit(main())"]
needs_mmdebstrap = pytest.mark.skipif(
    not shutil.which("mmdebstrap") or not os.path.exists(KEYRING), reason="mmdebstrap or Debian's keyring is missing"
)


@pytest.fixture
def disk(tmp_path):
    """Make a small tmpfs that is the cache."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = []

    def mount(*options):
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", place], check=True)
        mounted.append(place)
        return place

    yield mount
    for each in mounted:
        subprocess.run(["umount", each], check=True)


def labkit(*arguments, cache=None):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)} if cache else None
    return subprocess.run([*LABKIT, *arguments], capture_output=True, text=True, check=False, env=environment)


def images(cache):
    """What is in the cache but locks."""
    return [path.name for path in (cache / "labkit/images").iterdir() if not path.name.endswith("~lock")]


@needs_mmdebstrap
def test_a_debian_container_sees_its_own_processes_and_packages():
    done = labkit("run", "--image", "debian", "--", "sh", "-c", "id -u; ps ax; cat /etc/debian_version; ip -V")
    assert done.returncode == 0, done.stderr
    first, *processes = done.stdout.splitlines()
    assert first == "0"
    assert len([line for line in processes if " ps ax" in line or line.split()[:1] == ["1"]]) == 2


@needs_mmdebstrap
def test_a_debian_image_holds_no_caches_and_nothing_of_the_host():
    built = image("debian")
    root = built.rootfs
    assert {"procps", "iproute2", "base-files"} <= {package.split()[0] for package in built.packages}
    assert not list((root / "var/cache/apt").rglob("*.deb"))
    assert os.listdir(root / "var/lib/apt/lists") == []
    assert (root / "etc/hostname").read_text() == (root / "etc/resolv.conf").read_text() == ""
    assert mounts_below(root) == []


@needs_mmdebstrap
def test_a_killed_and_an_interrupted_builder_leave_no_process_mount_or_tree(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for number, status in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        command = [*LABKIT, "image", "build", "debian"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as builder:
            said = []
            for line in builder.stderr:
                said.append(line)
                # Now dpkg runs in the tree, with /proc and /sys mounted there.
                if "installing essential packages" in line:
                    break
            assert "installing essential packages" in said[-1], said
            builder.send_signal(number)
            assert builder.wait(60) == status, builder.stderr.read()
        # The lock passes to us when the last process of the build is gone, and its namespaces with it.
        wait_for_lock(next(tmp_path.glob("labkit/images/*~lock")))
        assert mounts_below(tmp_path) == []
    assert images(tmp_path) == []


def wait_for_lock(path, seconds=30.0):
    end = time.monotonic() + seconds
    with path.open("r+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                assert time.monotonic() < end, "a process of the build still lives"
                time.sleep(0.05)


@pytest.mark.parametrize(
    ("reference", "size"), [("busybox", "1M"), pytest.param("debian", "60M", marks=needs_mmdebstrap)]
)
def test_a_full_disk_is_one_line_with_a_hint_and_leaves_nothing(disk, reference, size):
    cache = disk(f"size={size}")
    done = labkit("image", "build", reference, cache=cache)
    assert done.returncode == 125
    assert "no space left on the disk" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert images(cache) == []


def test_a_cache_that_cannot_be_written_is_one_line_with_a_hint(disk):
    done = labkit("image", "build", "busybox", cache=disk("ro"))
    assert done.returncode == 125
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["labkit", "hint"]
    assert "Read-only file system" in done.stderr


@needs_mmdebstrap
def test_a_suite_that_debian_lacks_is_named(tmp_path):
    done = labkit("image", "build", "debian:nosuchsuite", cache=tmp_path)
    assert done.returncode == 125
    assert "nosuchsuite" in done.stderr.splitlines()[-2]
    assert images(tmp_path) == []


def test_an_ordinary_user_builds_the_same_tree_as_their_own():
    """Forked, since the user may not be able to read where labkit is installed."""
    import labkit.images.build  # noqa: F401  So that the child has nothing left to import.

    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        cache.chmod(0o755)
        os.chown(cache, 65534, 65534)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
                os.environ["XDG_CACHE_HOME"] = folder
                os._exit(0 if image("busybox", shown=False).digest else 1)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        (root,) = cache.glob("labkit/images/busybox-*/rootfs")
        assert {path.lstat().st_uid for path in root.rglob("*")} == {65534}
        assert subprocess.run([root / "bin/true"], check=False).returncode == 0

"""What every test may use: a small root filesystem, and the command line as a program of its own."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine alone.
settings.register_profile("labkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("labkit")

BUSYBOX = "/bin/busybox"


def pytest_collection_modifyitems(items):
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="makes real containers: run as root"))


@pytest.fixture(scope="session")
def busybox_rootfs():
    """A root filesystem of busybox alone, which every user may read."""
    if not os.access(BUSYBOX, os.X_OK):
        pytest.skip(f"{BUSYBOX} is missing: sudo apt-get install busybox-static")
    root = Path(tempfile.mkdtemp(prefix="labkit-test-rootfs-"))
    root.chmod(0o755)
    for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp"):
        (root / folder).mkdir()
    (root / "tmp").chmod(0o1777)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nann:x:1000:\nstaff:x:50:ann\n")
    yield root
    shutil.rmtree(root)


@pytest.fixture
def rootfs(busybox_rootfs):
    return busybox_rootfs


@pytest.fixture(scope="session")
def command():
    """`labkit` as a person types it, with this interpreter."""
    return [sys.executable, "-c", "import sys; from labkit.cli import main; sys.exit(main())"]


@pytest.fixture
def labkit(command):
    """Run `labkit ARGUMENTS` to its end; the result has returncode, stdout and stderr as text."""

    def run(*arguments, input="", **options):
        options = {"capture_output": True, "text": True, "timeout": 60, "input": input} | options
        return subprocess.run([*command, *map(str, arguments)], **options)

    return run

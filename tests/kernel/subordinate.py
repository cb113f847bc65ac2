"""An ordinary user who has subordinate ids and may open /dev/net/tun, in a mount namespace that says so."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import labkit
from labkit.linux.mount import MS_PRIVATE, MS_REC, mount
from labkit.linux.namespaces import CLONE_NEWNS, unshare

# mount(2).
MS_BIND = 0x1000

UID, GID, NAME = 54_331, 54_332, "labkit-test"
FIRST, COUNT = 2_000_000_000, 65_536
MAIN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from labkit.cli import main; sys.exit(main())"


class User:
    """A home with a runtime folder and the package, where the user can read it, and what is run as the user."""

    uid = UID

    def __init__(self, home):
        self.home = home
        self.python = next((p for p in (sys.executable, "/usr/bin/python3") if self._runs(p)), None)

    def _runs(self, python):
        try:
            return self.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).returncode == 0
        except OSError:
            return False

    def become(self, over=()):
        """What is done in the new process; `over` are pairs (file that is shown, where)."""
        unshare(CLONE_NEWNS)
        mount(None, "/", None, MS_REC | MS_PRIVATE)
        for source, target in (*self.shown(), *over):
            mount(source, target, None, MS_BIND)
        os.setgroups([])
        os.setresgid(GID, GID, GID)
        os.setresuid(UID, UID, UID)

    def shown(self):
        files = [(f"{self.home}/{name}", f"/etc/{name}") for name in ("passwd", "subuid", "subgid")]
        return [*files, (f"{self.home}/tun", "/dev/net/tun")] if os.path.exists("/dev/net/tun") else files

    def options(self, over=()):
        environment = {"HOME": self.home, "XDG_RUNTIME_DIR": f"{self.home}/run", "PATH": "/usr/bin:/bin"}
        return {"preexec_fn": lambda: self.become(over), "env": environment, "cwd": "/", "text": True}

    def run(self, argv, over=(), **options):
        options = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60} | options
        return subprocess.run(argv, **self.options(over), **options)

    def command(self, *words):
        return [self.python, "-c", MAIN, f"{self.home}/python", *map(str, words)]

    def labkit(self, *words, **options):
        return self.run(self.command(*words), **options)


@pytest.fixture(scope="session")
def user():
    folder = Path(tempfile.mkdtemp(prefix="labkit-test-user-"))
    folder.chmod(0o755)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(labkit.__file__).parent, folder / "python/labkit", ignore=ignored)
    (folder / "run").mkdir(mode=0o700)
    for place in (folder, folder / "run"):
        os.chown(place, UID, GID)
    passwd = Path("/etc/passwd").read_text() + f"{NAME}:x:{UID}:{GID}::{folder}:/bin/sh\n"
    for name, text in (("passwd", passwd), *((name, f"{NAME}:{FIRST}:{COUNT}\n") for name in ("subuid", "subgid"))):
        (folder / name).write_text(text)
    for name in ("/etc/subuid", "/etc/subgid"):
        if not os.path.exists(name):
            pytest.skip(f"{name} is missing: sudo apt-get install uidmap")
    os.mknod(folder / "tun", 0o020666, os.makedev(10, 200))
    os.chmod(folder / "tun", 0o666)
    made = User(str(folder))
    try:
        if made.python is None:
            pytest.skip("no Python of at least 3.11 on this host that an ordinary user may run")
        if made.run(["unshare", "-U", "true"]).returncode:
            pytest.skip("this host lets no ordinary user make a user namespace")
        yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def own_rootfs(user, busybox_rootfs):
    """A root filesystem of busybox that belongs to the user."""
    folder = Path(user.home, "root")
    shutil.copytree(busybox_rootfs, folder, symlinks=True)
    subprocess.run(["chown", "-hR", f"{UID}:{GID}", folder], check=True)
    return folder

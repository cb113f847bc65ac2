"""A container as a service of a real systemd: the host's own, or in the lab VM one that is started for these tests."""

import json
import os
import subprocess
import sys

import pytest

from labkit.cgroups import systemd
from labkit.cgroups.detect import detect
from labkit.engine import state
from labkit.spec import default

pytestmark = pytest.mark.root

HERE = os.path.dirname(__file__)
RUNNING = os.path.isdir(systemd.RUNNING)
UNIT = f"labkit-test-{os.getpid()}.service"
# See test_oci_notify.
READY = 'ln -s "$NOTIFY_SOCKET" /dev/log && logger "\nREADY=1"; '


@pytest.mark.skipif(RUNNING, reason="systemd runs here, and the other tests of this file with it")
def test_under_a_systemd_of_its_own():
    """The others of this file, as a service of a systemd that is process 1 of a pid namespace."""
    if detect().mode != "v2":
        pytest.skip("systemd takes cgroup v2 alone, which the lab VM has")
    if not os.path.exists("/lib/systemd/systemd") or not os.path.exists("/usr/bin/dbus-daemon"):
        pytest.skip("systemd, or its bus, is not installed")
    pytest_again = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__)
    done = subprocess.run([f"{HERE}/under_systemd.sh", *pytest_again], capture_output=True, text=True, timeout=600)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "1 skipped" in done.stdout


@pytest.fixture
def service(oci, rootfs, tmp_path):
    """A function that starts `labkit-oci run OPTIONS` as a service of Type=notify; it returns the main process."""
    if not RUNNING:
        pytest.skip("no systemd runs here")
    document = default.spec(str(rootfs), ("sh", "-c", f"{READY} exec sleep 600")).dump()
    (tmp_path / "config.json").write_text(json.dumps(document))

    def systemctl(*words):
        return subprocess.run(["systemctl", *words, UNIT], capture_output=True, text=True, timeout=60)

    def start(*options):
        # Without what else the system would start for it.
        properties = ("Type=notify", "TimeoutStartSec=60", "DefaultDependencies=no")
        manner = (*(f"--property={one}" for one in properties), f"--unit={UNIT}")
        # Of this process's environment it has nothing else.
        path = f"--setenv=PYTHONPATH={os.environ.get('PYTHONPATH', '')}"
        command = [*oci.command, "run", *options, "--bundle", str(tmp_path), oci.id]
        # It returns when the service is active, and fails where nobody says that it is ready.
        done = subprocess.run(["systemd-run", *manner, path, *command], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert systemctl("show", "-P", "ActiveState").stdout == "active\n"
        return int(systemctl("show", "-P", "MainPID").stdout)

    yield start
    oci("delete", "--force", oci.id)
    systemctl("stop")
    systemctl("reset-failed")


def test_the_process_to_be_watched_is_the_containers(service, oci, tmp_path):
    assert service("--detach") == state.load(oci.id, str(tmp_path / "state")).pid


def test_in_front_it_is_the_runtime(service, oci, tmp_path):
    pid = service()
    found = state.load(oci.id, str(tmp_path / "state"))
    assert found.values["owner"][0] == pid
    assert found.pid != pid

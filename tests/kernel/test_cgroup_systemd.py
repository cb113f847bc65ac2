"""Containers in scopes of a real systemd: the host's own, or in the lab VM one that is started for these tests."""

import json
import os
import subprocess
import sys

import pytest

from labkit import Container
from labkit.cgroups import events, processes, statistics, systemd
from labkit.cgroups.detect import detect
from labkit.engine.configure import configure
from labkit.errors import LabkitError
from labkit.linux.proc import read_file

pytestmark = pytest.mark.root

HERE = os.path.dirname(__file__)
MIB = 2**20
RUNNING = os.path.isdir(systemd.RUNNING)


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
def spec(rootfs):
    """A function from a command and a cgroupsPath to a configuration."""
    if not RUNNING or detect().mode != "v2":
        pytest.skip("no systemd runs here, or not with cgroup v2 alone")

    def configured(path, *command, **options):
        made = configure(str(rootfs), list(command), **options)
        made.linux.cgroups_path = path
        return made

    return configured


def name(word):
    return f"{word}{os.getpid()}"


def shown(unit):
    words = ["systemctl", "show", unit]
    lines = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


def ended(unit):
    """Wait until the unit is no more: systemd learns from the kernel when its cgroup is empty."""
    for _ in range(100):
        if shown(unit)["ActiveState"] == "inactive":
            return True
        # A job that does nothing but wait for its turn.
        subprocess.run(["systemctl", "daemon-reload"], timeout=30, check=True)
    return False


@pytest.mark.parametrize(("slice", "folder"), [("", "/system.slice"), ("lab-one.slice", "/lab.slice/lab-one.slice")])
def test_a_container_lives_in_its_scope_and_the_scope_ends_with_it(spec, slice, folder):
    unit = f"labkit-{name('box')}.scope"
    with Container.from_spec(spec(f"{slice}:labkit:{name('box')}", "sleep", "60", memory="64M", pids=20)) as container:
        container.start()
        assert (
            shown(unit).items()
            >= {
                "ActiveState": "active",
                "ControlGroup": f"{folder}/{unit}",
                "Delegate": "yes",
                "Description": f"labkit container {container.id}",
                "Slice": slice or "system.slice",
            }.items()
        )
        scope = f"{detect().v2().mount}{folder}/{unit}"
        assert read_file(f"/proc/{container.pid}/cgroup") == f"0::{folder}/{unit}/{container.id}\n"
        assert processes.pids([scope]) == [container.pid]
        assert read_file(f"{scope}/{container.id}/memory.max") == f"{64 * MIB}\n"
        assert read_file(f"{scope}/{container.id}/pids.max") == "20\n"
    assert not os.path.exists(scope)
    assert ended(unit)


def test_systemd_leaves_the_limits_alone(spec, folders):
    unit = f"{name('kept')}.scope"
    with Container.from_spec(spec(f"::{name('kept')}", "sleep", "60", memory="64M")).start() as container:
        subprocess.run(["systemctl", "daemon-reload"], timeout=30, check=True)
        container.update(pids=7)
        subprocess.run(["systemctl", "set-property", "--runtime", unit, "CPUWeight=50"], timeout=30, check=True)
        found = statistics.read(folders(container))
        assert (found["memory"]["usage"]["limit"], found["pids"]["limit"]) == (64 * MIB, 7)
        assert processes.pids(folders(container)) == [container.pid]


def test_systemd_can_stop_it(spec):
    unit = f"labkit-{name('stop')}.scope"
    with Container.from_spec(spec(f":labkit:{name('stop')}", "sleep", "60")).start() as container:
        subprocess.run(["systemctl", "kill", "--signal=KILL", unit], timeout=30, check=True)
        assert container.wait(30) == 137
    assert ended(unit)


def test_its_want_of_memory_is_told_as_elsewhere(spec, folders):
    script = "dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; sleep 60"
    limited = spec(f":labkit:{name('oom')}", "sh", "-c", script, memory="32M")
    with Container.from_spec(limited).start() as container:
        watched = events.open_oom(folders(container))
        os.set_blocking(watched, True)
        while events.reason_of_death(folders(container)) is None:
            os.read(watched, 4096)
        os.close(watched)
        assert events.reason_of_death(folders(container)) == "killed: out of memory, limit 32 MiB, peak 32 MiB"


def test_a_scope_that_is_there_is_one_line_and_left_alone(spec):
    path = f":labkit:{name('twice')}"
    with Container.from_spec(spec(path, "sleep", "60")).start() as container:
        with pytest.raises(LabkitError, match=rf"labkit-{name('twice')}\.scope exists") as caught:
            Container.from_spec(spec(path, "true")).run(timeout=60)
        assert "\n" not in str(caught.value)
        assert container.status == "running"


def test_what_systemd_refuses_is_said_in_its_words_and_leaves_nothing(spec):
    before = processes.pids([detect().v2().mount])
    # A name that is too long for a unit, and shorter than a path may be.
    with pytest.raises(LabkitError, match=r"StartScope: systemd does not start .*[Ii]nvalid|not valid") as caught:
        Container.from_spec(spec(f":labkit:{'x' * 250}", "true")).run(timeout=60)
    assert "\n" not in str(caught.value)
    assert set(processes.pids([detect().v2().mount])) <= set(before)


def test_the_command_line_keeps_a_container_in_its_scope(spec, oci, tmp_path):
    unit = f"labkit-{name('oci')}.scope"
    made = spec(f":labkit:{name('oci')}", "sleep", "60", memory="64M")
    (tmp_path / "config.json").write_text(json.dumps(made.dump()))
    null = {"capture_output": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    assert oci("create", "--bundle", str(tmp_path), oci.id, **null).returncode == 0
    assert shown(unit)["ActiveState"] == "active"
    assert oci("start", oci.id).returncode == 0
    pid = json.loads(oci("state", oci.id).stdout)["pid"]
    assert f"/system.slice/{unit}/{oci.id}\n" in read_file(f"/proc/{pid}/cgroup")
    assert oci("delete", "--force", oci.id).returncode == 0
    assert ended(unit)

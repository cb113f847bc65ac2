"""The attempts that any runtime can be put to: all stopped by the engine as it is, and none by one without defences."""

import subprocess

import pytest

from labkit.engine.configure import configure
from labkit.runtimes import bundle, driver
from labkit.workloads import attempts

pytestmark = pytest.mark.root

BUSYBOX = "/bin/busybox"


@pytest.fixture
def place(own_rootfs, tmp_path):
    """The bundle that every runtime is given."""
    return bundle.write(str(tmp_path / "bundle"), bundle.spec(str(own_rootfs), ("sh", "-c", attempts.script())))


def gone_through(found):
    return {name for name, through in found.items() if through}


@pytest.fixture(scope="module")
def possible():
    """What goes through for root of this host without any sandbox, in a mount namespace of its own."""
    command = ["unshare", "--mount", BUSYBOX, "sh", "-c", attempts.script()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    found = attempts.read(done.stdout)
    assert list(found) == [attempt.name for attempt in attempts.ATTEMPTS]
    return gone_through(found)


@pytest.mark.parametrize("name", ["labkit", "labkit-oci", "runc", "crun"])
def test_a_runtime_stops_them_all(place, name):
    runtime = driver(name)
    found = runtime.probe()
    if not found.available:
        pytest.skip(f"{name} is not available on this host: {found.reason}")
    made = attempts.attempt(runtime, place)
    assert len(made) == len(attempts.ATTEMPTS)
    assert gone_through(made) == set()


def test_without_defences_all_go_through_that_can(attack, own_rootfs, possible):
    spec = configure(str(own_rootfs), ["sh", "-c", attempts.script()], cap_add=["ALL"], seccomp="none")
    for mount in spec.mounts:
        mount.options = tuple(option for option in mount.options if option != "ro")
    without = ["MaskPath", "ReadonlyPath", "EnterCgroupNamespace"]
    made = attempts.read(attack(spec, limits=False, without=without).stdout)
    assert {"core_pattern", "mount", "disk"} <= possible
    assert gone_through(made) >= possible


def test_what_is_read_only_can_be_remounted_with_all_capabilities(attack, own_rootfs):
    made = attack(own_rootfs, ["sh", "-c", attempts.script()], cap_add=["ALL"], seccomp="none")
    assert "remount" in gone_through(attempts.read(made.stdout))

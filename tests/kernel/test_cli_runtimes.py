"""`labkit run --runtime NAME --image busybox -- uname -r`, which says whose kernel a program has in each runtime."""

import os

import pytest

from labkit.errors import LabkitError
from labkit.vm import kernel

pytestmark = pytest.mark.root

SHARED = ("host", "labkit", "runc", "crun", "podman", "containerd")


@pytest.fixture
def release(labkit, probed):
    """A function from a runtime's name to what uname(1) says in it; skips one that is not available."""

    def ask(name):
        try:
            found = probed(name)
        except LabkitError as error:
            pytest.skip(f"{name} is not available on this host: {error.message}")
        if not found.available:
            pytest.skip(f"{name} is not available on this host: {found.reason}")
        ended = labkit("run", "--runtime", name, "--image", "busybox", "--", "uname", "-r")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    return ask


@pytest.mark.parametrize("name", SHARED)
def test_a_container_has_the_hosts_kernel(release, name):
    assert release(name) == os.uname().release


def test_gvisor_has_a_kernel_of_its_own(release):
    # pkg/sentry/kernel/version.go: Version.
    assert release("runsc") == "4.4.0" != os.uname().release


def test_a_microvm_has_the_kernel_that_it_boots(release):
    assert release("microvm") == kernel.find().release != os.uname().release

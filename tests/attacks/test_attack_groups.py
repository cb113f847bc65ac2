"""The caller's supplementary groups, kept by the container's program: files of the host on a volume open by them.

What defends: SetUser sets the groups of the configuration, and no others, before it changes the user (setgroups(2)).
"""

import os

import pytest

from labkit.linux import kernel

pytestmark = pytest.mark.root

# Of nobody here.
GROUP = 54321


@pytest.fixture
def secret(canary):
    os.chown(canary, 0, GROUP)
    canary.chmod(0o640)
    before = os.getgroups()
    os.setgroups([*before, GROUP])
    yield canary
    os.setgroups(before)


@pytest.mark.parametrize("weaker", [False, True])
def test_a_file_for_a_group_of_the_callers(attack, own_rootfs, secret, weaker):
    calls = {"set_user": lambda uid, gid, groups: kernel.set_user(uid, gid, None)} if weaker else None
    done = attack(own_rootfs, ["cat", "/v/canary"], user="1000:1000", volumes=[f"{secret.parent}:/v"], calls=calls)
    if weaker:
        assert done.stdout == "the host's"
    else:
        assert "Permission denied" in done.stderr

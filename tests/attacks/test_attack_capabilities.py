"""Capabilities that leak to programs: by the inheritable set (CVE-2022-29162, CVE-2022-24769), or by execve.

A program with file capabilities gets those of them that are inheritable, whoever runs it; and user 0 gets at each
execve all that is in the bounding set. What defends: the inheritable set is empty, for `exec --cap` too
(labkit/oci/exec.py, labkit/spec/default.py); DropBounding and SetCapabilities.
"""

import os
import shutil
import struct

import pytest

from labkit.engine.configure import configure
from labkit.linux import capabilities
from labkit.spec.model import CapabilitySets

pytestmark = pytest.mark.root

# include/uapi/linux/capability.h: VFS_CAP_REVISION_2, VFS_CAP_FLAGS_EFFECTIVE.
_REVISION = 0x02000000
_EFFECTIVE = 1


def found(text, key="CapEff"):
    value = next(line.split()[1] for line in text.splitlines() if line.startswith(key))
    return set(capabilities.names(int(value, 16)))


@pytest.fixture
def inheriting(own_rootfs):
    """An image whose `cat` takes CAP_CHOWN when its user has it inheritable (capabilities(7))."""
    (own_rootfs / "bin/cat").unlink()
    shutil.copy(own_rootfs / "bin/busybox", own_rootfs / "bin/cat")
    bit = capabilities.mask(["CAP_CHOWN"])
    attribute = struct.pack("<IIIII", _REVISION | _EFFECTIVE, 0, bit, 0, 0)
    os.setxattr(own_rootfs / "bin/cat", "security.capability", attribute)
    return own_rootfs


@pytest.mark.parametrize("weaker", [False, True])
def test_an_ordinary_user_inherits_none(attack, inheriting, weaker):
    command = ["cat", "/proc/self/status"]
    spec = configure(str(inheriting), command, user="1000", no_new_privileges=False, overlay=False)
    if weaker:
        names = spec.process.capabilities.bounding
        spec.process.capabilities = CapabilitySets(bounding=names, permitted=names, effective=names, inheritable=names)
    done = attack(spec)
    assert found(done.stdout) == ({"CAP_CHOWN"} if weaker else set())


def test_nor_by_exec_with_a_capability_more(oci):
    oci.run("labkit-attack-caps", "sleep", "600")
    done = oci("exec", "--cap", "CAP_SYS_NICE", "labkit-attack-caps", "cat", "/proc/self/status")
    assert "CAP_SYS_NICE" in found(done.stdout, "CapEff")
    assert found(done.stdout, "CapInh") == found(done.stdout, "CapAmb") == set()


def test_user_0_gets_none_back_by_execve(attack, own_rootfs):
    """SYS_ADMIN, for one, with which a container is as good as open; no_new_privs keeps it from that as well."""
    script = ["sh", "-c", "cat /proc/self/status"]
    privileges = {"no_new_privileges": False}
    assert len(found(attack(own_rootfs, script, **privileges).stdout)) == 14
    assert len(found(attack(own_rootfs, script, without=["DropBounding"]).stdout)) == 14
    weaker = attack(own_rootfs, script, without=["DropBounding"], **privileges)
    assert "CAP_SYS_ADMIN" in found(weaker.stdout)


def test_without_set_capabilities_user_0_keeps_all(attack, own_rootfs):
    command = ["cat", "/proc/self/status"]
    assert found(attack(own_rootfs, command, capabilities=["CHOWN"]).stdout) == {"CAP_CHOWN"}
    weaker = attack(own_rootfs, command, capabilities=["CHOWN"], without=["SetCapabilities", "DropBounding"])
    assert "CAP_SYS_ADMIN" in found(weaker.stdout)

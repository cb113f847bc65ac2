"""What a plan must know of the host; gathered once, so that planning itself asks nothing."""

from __future__ import annotations

import os

from labkit.linux import capabilities
from labkit.linux.libc import MACHINE


class Facts:
    """The caller's ids and capabilities, the kernel's newest capability, and where cgroups are mounted.

    `cgroup_mounts` has for each hierarchy (folder below /sys/fs/cgroup, filesystem, options); one with folder "" is
    the unified tree.
    """

    __slots__ = ("cgroup_mounts", "egid", "euid", "last_capability", "machine", "permitted")

    def __init__(
        self,
        euid: int = 0,
        egid: int = 0,
        permitted: int = 2**41 - 1,
        last_capability: int = 40,
        cgroup_mounts: tuple[tuple[str, str, tuple[str, ...]], ...] = (("", "cgroup2", ()),),
        machine: str = MACHINE,
    ) -> None:
        self.euid = euid
        self.egid = egid
        self.permitted = permitted
        self.last_capability = last_capability
        self.cgroup_mounts = cgroup_mounts
        self.machine = machine


def gather(cgroup_mounts: tuple[tuple[str, str, tuple[str, ...]], ...]) -> Facts:
    """The facts of this process on this host."""
    permitted = capabilities.read_sets()["permitted"]
    last = capabilities.last_capability()
    return Facts(os.geteuid(), os.getegid(), permitted, last, cgroup_mounts)

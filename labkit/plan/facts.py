"""What a plan must know of the host; gathered once, so that planning itself asks nothing."""

from __future__ import annotations

from labkit.linux import capabilities, os
from labkit.linux.libc import MACHINE


class Facts:
    """The caller's ids and capabilities, the kernel's newest capability, and where cgroups are mounted.

    `cgroup_mounts` has for each hierarchy (folder below /sys/fs/cgroup, filesystem, options); one with folder "" is
    the unified tree; `own_cgroups` has by that folder the container's own cgroup as the host sees it,
    and `cgroup_places` where the host has the whole tree.
    `security_modules` are names as of linux.lsm.active.
    """

    __slots__ = (
        "cgroup_mounts",
        "cgroup_places",
        "egid",
        "euid",
        "last_capability",
        "machine",
        "own_cgroups",
        "permitted",
        "security_modules",
    )

    def __init__(
        self,
        euid: int = 0,
        egid: int = 0,
        permitted: int = 2**41 - 1,
        last_capability: int = 40,
        cgroup_mounts: tuple[tuple[str, str, tuple[str, ...]], ...] = (("", "cgroup2", ()),),
        machine: str = MACHINE,
        security_modules: tuple[str, ...] = (),
    ) -> None:
        self.euid = euid
        self.egid = egid
        self.permitted = permitted
        self.last_capability = last_capability
        self.cgroup_mounts = cgroup_mounts
        self.machine = machine
        self.security_modules = security_modules
        self.own_cgroups: dict[str, str] = {}
        self.cgroup_places: dict[str, str] = {}


def gather(cgroup_mounts: tuple[tuple[str, str, tuple[str, ...]], ...]) -> Facts:
    """The facts of this process on this host."""
    permitted, last = capabilities.permitted(), capabilities.last_capability()
    return Facts(os.geteuid(), os.getegid(), permitted, last, cgroup_mounts)

"""Which limits go to which tree of this host, and whether it can keep all that was asked for."""

from __future__ import annotations

from labkit.cgroups import v1, v2
from labkit.cgroups.limit import Limit, require
from labkit.errors import SpecError
from labkit.linux import os
from labkit.spec.model import BlockIo, Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_DISKS = (
    ("weight_devices", "weightDevice"),
    ("read_bps", "throttleReadBpsDevice"),
    ("write_bps", "throttleWriteBpsDevice"),
    ("read_iops", "throttleReadIOPSDevice"),
    ("write_iops", "throttleWriteIOPSDevice"),
)


def choose(
    resources: Resources, first: Collection[str], second: Collection[str] | None
) -> tuple[list[Limit], list[Limit]]:
    """The limits for the v1 trees, which have the controllers `first`, and for the v2 tree, None without one.

    Raises LabkitError for a limit without its controller, SpecError for what does not exist on this host or in v2.
    """
    in_v2 = second or ()
    _check_disks(resources.block_io)
    _check_page_sizes(resources)
    v2.refuse(resources, in_v2)
    as_given = v2.unified(resources, second)
    old, new = v1.writes(resources), v2.writes(resources)
    # Device rules need no controller on v2. The controller of disks goes by two names.
    known = {*first, *in_v2, "devices"}
    known |= {"blkio", "io"} if known & {"blkio", "io"} else set()
    for limits in (old, new) if first else (new, old):
        require(limits, known)
    return (
        [limit for limit in old if limit.controller in first],
        [limit for limit in new if limit.controller in in_v2] + as_given,
    )


def notes(resources: Resources, second: Collection[str] | None) -> list[str]:
    """What is left out of `resources` without an error."""
    memory = resources.memory
    found = []
    if memory.kernel:
        found.append("memory.kernel is left out: the kernel counts it with the rest")
    if memory.kernel_tcp and "memory" in (second or ()):
        found.append("memory.kernelTCP is left out: cgroup v2 counts it with the rest")
    if memory.swappiness is not None and "memory" in (second or ()):
        found.append("memory.swappiness is left out: cgroup v2 has none of its own for each cgroup")
    return found


def _check_disks(block_io: BlockIo) -> None:
    for attribute, name in _DISKS:
        for index, entry in enumerate(getattr(block_io, attribute)):
            number = f"{entry.major}:{entry.minor}"
            pointer = f"/linux/resources/blockIO/{name}/{index}"
            if not os.path.exists(f"/sys/dev/block/{number}"):
                raise SpecError(pointer, f"this host has no block device {number}", "lsblk shows them")
            if os.path.exists(f"/sys/dev/block/{number}/partition"):
                raise SpecError(pointer, f"{number} is a partition", "limits are for the whole disk; see lsblk")


def _check_page_sizes(resources: Resources) -> None:
    if not resources.hugepages:
        return
    folders = os.listdir("/sys/kernel/mm/hugepages")
    for index, limit in enumerate(resources.hugepages):
        kilobytes = int(limit.page_size[:-2]) * {"KB": 1, "MB": 2**10, "GB": 2**20}[limit.page_size[-2:]]
        if f"hugepages-{kilobytes}kB" not in folders:
            raise SpecError(
                f"/linux/resources/hugepageLimits/{index}/pageSize",
                f"this kernel has no huge pages of {limit.page_size}",
                f"it has {', '.join(sorted(folders)) or 'none'}",
            )

"""Limits whose files are the same on v1 and v2, but perhaps for a word of their name."""

from __future__ import annotations

from labkit.cgroups.limit import Limit
from labkit.spec.model import Cpu, HugepageLimit, Pids, Rdma

THROTTLES = (
    ("read_bps", "bytes read in a second; past this reads wait"),
    ("write_bps", "bytes written in a second; past this writes wait"),
    ("read_iops", "reads in a second; past this they wait"),
    ("write_iops", "writes in a second; past this they wait"),
)


def pids(wanted: Pids | None) -> list[Limit]:
    """pids.max (Documentation/admin-guide/cgroup-v1/pids.rst)."""
    if wanted is None or not wanted.limit:
        return []
    limit = str(wanted.limit) if wanted.limit > 0 else "max"
    return [Limit("pids", "pids.max", limit, "past this fork(2) fails with EAGAIN")]


def hugepages(wanted: tuple[HugepageLimit, ...], files: tuple[str, ...]) -> list[Limit]:
    """hugetlb.SIZE.FILE, for what is used and for what is reserved (cgroup-v1/hugetlb.rst)."""
    why = "past this a fault on a huge page is a SIGBUS, and a reservation fails with ENOMEM"
    return [
        Limit("hugetlb", f"hugetlb.{one.page_size}.{file}", str(one.limit), why) for one in wanted for file in files
    ]


def idle_and_sets(cpu: Cpu) -> list[Limit]:
    """cpu.idle and the two files of cpuset, which are the same on v1 and v2."""
    found = []
    if cpu.idle is not None:
        found.append(Limit("cpu", "cpu.idle", str(cpu.idle), "1: it runs when nobody else would"))
    if cpu.cpus:
        found.append(Limit("cpuset", "cpuset.cpus", cpu.cpus, "the CPUs it may run on"))
    if cpu.mems:
        found.append(Limit("cpuset", "cpuset.mems", cpu.mems, "the memory nodes it may allocate from"))
    return found


def rdma(devices: dict[str, Rdma]) -> list[Limit]:
    """rdma.max, which is the same on v1 and v2 (Documentation/admin-guide/cgroup-v1/rdma.rst)."""
    found = []
    for name, limits in devices.items():
        values = (("hca_handle", limits.hca_handles), ("hca_object", limits.hca_objects))
        value = " ".join([name, *(f"{key}={number}" for key, number in values if number is not None)])
        unset = f"{name} hca_handle=max hca_object=max"
        found.append(Limit("rdma", "rdma.max", value, "handles and objects of an RDMA adapter", unset))
    return found

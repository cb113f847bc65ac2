"""What a container has used and uses, from its cgroups: the `data` of OCI's `events --stats`.

The names and the nesting are those of runc (types/events.go); times are nanoseconds, amounts bytes, pressure (PSI) is
in percent and its total in microseconds. A controller that the container does not have leaves zeros.
"""

from __future__ import annotations

import os

from labkit.cgroups.folders import is_v2
from labkit.linux.proc import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    Tree = dict[str, Any]

# runc reports "no limit" of v2 as the largest number.
UNLIMITED = 2**64 - 1
# The kernel gives user and system time in ticks of USER_HZ (include/asm-generic/param.h).
_TICK = 10**9 // 100
_CPUSET = (
    ("cpu_exclusive", "cpu_exclusive"),
    ("mem_hardwall", "mem_hardwall"),
    ("mem_exclusive", "mem_exclusive"),
    ("memory_migrate", "memory_migrate"),
    ("memory_spread_page", "memory_spread_page"),
    ("memory_spread_slab", "memory_spread_slab"),
    ("memory_pressure", "memory_pressure"),
    ("sched_load_balance", "sched_load_balance"),
    ("sched_relax_domain_level", "sched_relax_domain_level"),
)
_MEMORY = (("usage", "memory"), ("swap", "memory.memsw"), ("kernel", "memory.kmem"), ("kernelTCP", "memory.kmem.tcp"))
# The tables of bytes and operations of the block layer, the first that has any line: BFQ's, then the throttle's.
_BLKIO = ("blkio.bfq.{}_recursive", "blkio.throttle.{}_recursive", "blkio.throttle.{}")
_IO_STAT = {
    "rbytes": ("ioServiceBytesRecursive", "Read"),
    "wbytes": ("ioServiceBytesRecursive", "Write"),
    "rios": ("ioServicedRecursive", "Read"),
    "wios": ("ioServicedRecursive", "Write"),
}


def read(folders: Sequence[str]) -> Tree:
    """The statistics of the container with the cgroups `folders`."""
    result = _empty()
    for folder in folders:
        try:
            files = set(os.listdir(folder))
        except FileNotFoundError:
            continue  # Gone with the container.
        if is_v2(folder):
            _read_v2(folder, files, result)
        else:
            _read_v1(folder, files, result)
    return result


def _empty() -> Tree:
    return {
        "cpu": {
            "usage": {"total": 0, "percpu": [], "percpu_kernel": [], "percpu_user": [], "kernel": 0, "user": 0},
            "throttling": {"periods": 0, "throttledPeriods": 0, "throttledTime": 0},
        },
        "cpuset": {"cpus": [], "mems": [], **{name: 0 for name, _ in _CPUSET}},
        "memory": {
            "cache": 0,
            **{name: {"limit": 0, "usage": 0, "max": 0, "failcnt": 0} for name, _ in _MEMORY},
            "raw": {},
        },
        "pids": {"current": 0, "limit": 0},
        "blkio": {},
        "hugetlb": {},
        "intel_rdt": {},
        "network_interfaces": None,
    }


def _read_v1(folder: str, files: set[str], result: Tree) -> None:
    if "cpuacct.usage" in files:
        _cpuacct(folder, result["cpu"]["usage"])
    if "cpu.cfs_quota_us" in files:
        stat = _pairs(f"{folder}/cpu.stat")
        _throttling(result, stat, stat.get("throttled_time", 0))
    if "cpuset.cpus" in files:
        _cpuset(folder, result["cpuset"])
    if "memory.limit_in_bytes" in files:
        memory = result["memory"]
        memory["raw"] = _pairs(f"{folder}/memory.stat")
        memory["cache"] = memory["raw"].get("cache", 0)
        for name, prefix in _MEMORY:
            if f"{prefix}.usage_in_bytes" in files:
                memory[name] = _v1_counter(folder, prefix, limit=True)
    if "pids.current" in files:
        _pids(folder, result)
    if "blkio.reset_stats" in files:
        for key, table in (("ioServiceBytesRecursive", "io_service_bytes"), ("ioServicedRecursive", "io_serviced")):
            result["blkio"][key] = _first_table(folder, files, table)
    for size in _page_sizes(files, ".usage_in_bytes"):
        result["hugetlb"][size] = _v1_counter(folder, f"hugetlb.{size}", limit=False)


def _read_v2(folder: str, files: set[str], result: Tree) -> None:
    # cpu.stat has the times even where the controller is not handed down; on a hybrid host cpuacct has told them.
    stat = _pairs(f"{folder}/cpu.stat")
    usage = result["cpu"]["usage"]
    if not usage["total"]:
        for name, key in (("total", "usage_usec"), ("user", "user_usec"), ("kernel", "system_usec")):
            usage[name] = stat.get(key, 0) * 1000
    if "cpu.max" in files:
        _throttling(result, stat, stat.get("throttled_usec", 0) * 1000)
    if "memory.current" in files:
        _memory_v2(folder, files, result["memory"])
    if "pids.current" in files:
        _pids(folder, result)
    if "io.stat" in files:
        _io_stat(folder, result["blkio"])
    for size in _page_sizes(files, ".current"):
        result["hugetlb"][size] = {
            "usage": _number(f"{folder}/hugetlb.{size}.current"),
            "max": 0,
            "failcnt": _pairs(f"{folder}/hugetlb.{size}.events").get("max", 0),
        }
    for name, file in (("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("blkio", "io.pressure")):
        pressure = _pressure(f"{folder}/{file}") if file in files else None
        if pressure:
            result[name]["psi"] = pressure


def _cpuacct(folder: str, usage: Tree) -> None:
    usage["total"] = _number(f"{folder}/cpuacct.usage")
    stat = _pairs(f"{folder}/cpuacct.stat")
    usage["user"], usage["kernel"] = stat.get("user", 0) * _TICK, stat.get("system", 0) * _TICK
    usage["percpu"] = [int(number) for number in read_file(f"{folder}/cpuacct.usage_percpu").split()]
    # cpu user system
    rows = [line.split() for line in read_file(f"{folder}/cpuacct.usage_all").splitlines()[1:]]
    usage["percpu_user"] = [int(row[1]) for row in rows]
    usage["percpu_kernel"] = [int(row[2]) for row in rows]


def _throttling(result: Tree, stat: dict[str, int], time: int) -> None:
    result["cpu"]["throttling"] = {
        "periods": stat.get("nr_periods", 0),
        "throttledPeriods": stat.get("nr_throttled", 0),
        "throttledTime": time,
    }


def _cpuset(folder: str, cpuset: Tree) -> None:
    cpuset["cpus"] = numbers(read_file(f"{folder}/cpuset.cpus"))
    cpuset["mems"] = numbers(read_file(f"{folder}/cpuset.mems"))
    for name, file in _CPUSET:
        cpuset[name] = _number(f"{folder}/cpuset.{file}")


def _memory_v2(folder: str, files: set[str], memory: Tree) -> None:
    memory["raw"] = _pairs(f"{folder}/memory.stat")
    memory["cache"] = memory["raw"].get("file", 0)
    events = _pairs(f"{folder}/memory.events")
    memory["event_count"] = {name: events.get(name, 0) for name in ("low", "high", "max", "oom", "oom_kill")}
    usage = _v2_counter(folder, files, "memory")
    usage["failcnt"] = events.get("max", 0)
    memory["usage"] = usage
    if "memory.swap.current" in files:
        # v1 counts memory and swap together, and this is v1's figure.
        swap = _v2_counter(folder, files, "memory.swap")
        swap["usage"] += usage["usage"]
        swap["limit"] = min(swap["limit"] + usage["limit"], UNLIMITED)
        memory["swap"] = swap


def _v1_counter(folder: str, prefix: str, limit: bool) -> Tree:
    names = [("usage", "usage_in_bytes"), ("max", "max_usage_in_bytes"), ("failcnt", "failcnt")]
    if limit:
        names.insert(0, ("limit", "limit_in_bytes"))
    return {name: _number(f"{folder}/{prefix}.{file}") for name, file in names}


def _v2_counter(folder: str, files: set[str], prefix: str) -> Tree:
    peak = f"{prefix}.peak"
    return {
        "limit": _number(f"{folder}/{prefix}.max"),
        "usage": _number(f"{folder}/{prefix}.current"),
        "max": _number(f"{folder}/{peak}") if peak in files else 0,
        "failcnt": 0,
    }


def _pids(folder: str, result: Tree) -> None:
    limit = _number(f"{folder}/pids.max")
    # runc reports no limit of processes as 0.
    result["pids"] = {"current": _number(f"{folder}/pids.current"), "limit": 0 if limit == UNLIMITED else limit}


def _first_table(folder: str, files: set[str], table: str) -> list[Tree]:
    for pattern in _BLKIO:
        file = pattern.format(table)
        found = _blkio_table(read_file(f"{folder}/{file}")) if file in files else []
        if found:
            return found
    return []


def _blkio_table(text: str) -> list[Tree]:
    """Lines such as `8:0 Read 4096`; the last, `Total 4096`, belongs to no device."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and ":" in words[0]:
            major, minor = words[0].split(":")
            found.append({"major": int(major), "minor": int(minor), "op": words[1], "value": int(words[2])})
    return found


def _io_stat(folder: str, blkio: Tree) -> None:
    """Lines such as `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`."""
    for line in read_file(f"{folder}/io.stat").splitlines():
        number, *fields = line.split()
        major, _, minor = number.partition(":")
        for field in fields:
            key, _, value = field.partition("=")
            if key in _IO_STAT:
                name, op = _IO_STAT[key]
                entry = {"major": int(major), "minor": int(minor), "op": op, "value": int(value)}
                blkio.setdefault(name, []).append(entry)


def _page_sizes(files: Iterable[str], suffix: str) -> list[str]:
    """The sizes in names such as hugetlb.2MB.current."""
    found = [name.removeprefix("hugetlb.").removesuffix(suffix) for name in files if name.endswith(suffix)]
    return sorted(size for size in found if f"hugetlb.{size}{suffix}" in files and "." not in size)


def _pressure(path: str) -> Tree | None:
    """Pressure stall information (Documentation/accounting/psi.rst); None where the kernel does not measure it."""
    try:
        text = read_file(path)
    except OSError:
        return None  # EOPNOTSUPP: switched off at boot, or for this cgroup.
    found: Tree = {}
    for line in text.splitlines():
        kind, *fields = line.split()
        values = dict(field.split("=") for field in fields)
        found[kind] = {key: int(text) if key == "total" else float(text) for key, text in values.items()}
    return found


def numbers(text: str) -> list[int]:
    """The List Format of cpuset(7): `0-2,7` is 0, 1, 2, 7."""
    found: list[int] = []
    for part in text.strip().split(","):
        if part:
            low, _, high = part.partition("-")
            found += range(int(low), int(high or low) + 1)
    return found


def _pairs(path: str) -> dict[str, int]:
    """A flat keyed file: `name number` a line."""
    found = {}
    for line in read_file(path).splitlines():
        name, _, number = line.partition(" ")
        found[name] = int(number)
    return found


def _number(path: str) -> int:
    text = read_file(path).strip()
    return UNLIMITED if text == "max" else int(text)

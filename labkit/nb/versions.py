"""The limits of config.json as files of cgroup v1 and v2, by the engine's own conversion, with this host's marked."""

from collections.abc import Iterator

import pandas as pd

from labkit.cgroups import choose, v1, v2
from labkit.cgroups.detect import Layout, detect
from labkit.cgroups.limit import Limit
from labkit.errors import SpecError
from labkit.plots import style
from labkit.spec.model import Resources

_MIB = 1 << 20
# One of each limit as linux.resources has it (config-linux.md); the devices' numbers are only an example.
_DISK = {"major": 8, "minor": 0}
EXAMPLES: tuple[tuple[str, dict[str, object]], ...] = (
    ("memory.limit", {"memory": {"limit": 64 * _MIB}}),
    ("memory.swap", {"memory": {"limit": 64 * _MIB, "swap": 96 * _MIB}}),
    ("memory.reservation", {"memory": {"reservation": 32 * _MIB}}),
    ("memory.swappiness", {"memory": {"swappiness": 10}}),
    ("memory.disableOOMKiller", {"memory": {"disableOOMKiller": True}}),
    ("cpu.shares", {"cpu": {"shares": 512}}),
    ("cpu.quota, cpu.period", {"cpu": {"quota": 50_000, "period": 100_000}}),
    ("cpu.burst", {"cpu": {"burst": 20_000}}),
    ("cpu.idle", {"cpu": {"idle": 1}}),
    ("cpu.realtimeRuntime", {"cpu": {"realtimeRuntime": 10_000}}),
    ("cpu.cpus", {"cpu": {"cpus": "0-1"}}),
    ("cpu.mems", {"cpu": {"mems": "0"}}),
    ("pids.limit", {"pids": {"limit": 32}}),
    ("blockIO.weight", {"blockIO": {"weight": 300}}),
    ("blockIO.throttleWriteBpsDevice", {"blockIO": {"throttleWriteBpsDevice": [{**_DISK, "rate": 4 * _MIB}]}}),
    ("blockIO.throttleReadIOPSDevice", {"blockIO": {"throttleReadIOPSDevice": [{**_DISK, "rate": 100}]}}),
    ("hugepageLimits", {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * _MIB}]}),
    ("network.classID", {"network": {"classID": 0x100001}}),
    ("network.priorities", {"network": {"priorities": [{"name": "eth0", "priority": 5}]}}),
    ("rdma", {"rdma": {"mlx5_0": {"hcaHandles": 3}}}),
    ("devices", {"devices": [{"allow": False, "access": "rwm"}]}),
)
# Controllers that go by another name on v2, or are a program there.
_V2_NAMES = {"blkio": "io"}
_PROGRAM = "an eBPF program on the cgroup (BPF_PROG_TYPE_CGROUP_DEVICE)"
_NONE = "nothing"


def versions(layout: Layout | None = None) -> pd.DataFrame:
    """A row per limit: `limit`, the version used `here`, `v1` and `v2`: lines of file = value, or why there are none.

    `layout` is by default this host's.
    """
    found = layout or detect()
    rows = []
    for name, tree in EXAMPLES:
        resources = Resources.load(tree, "")
        old = v1.writes(resources)
        rows.append((name, _here(found, old), _first(name, old), _second(resources)))
    return pd.DataFrame(rows, columns=["limit", "here", "v1", "v2"])


def _first(name: str, limits: list[Limit]) -> str:
    lines = list(_lines(limits))
    # What devices are usable whatever the rules say is the same in every container.
    return "\n".join([lines[0], f"… and {len(lines) - 1} more lines"] if name == "devices" else lines)


def _lines(limits: list[Limit]) -> Iterator[str]:
    for limit in limits:
        other = limit.otherwise
        yield f"{limit.file} = {limit.value}" + (f", or {other.file} = {other.value}" if other else "")


def _second(resources: Resources) -> str:
    limits = v2.writes(resources)
    if limits:
        return "\n".join(_lines(limits))
    if resources.devices:
        return _PROGRAM
    every = {"memory", "cpu", "io", "pids", "cpuset", "hugetlb", "rdma"}
    try:
        v2.refuse(resources, every)
    except SpecError as error:
        return f"refused: {error.message.partition(' ')[2] or error.message}"
    left_out = choose.notes(resources, every)
    return left_out[0] if left_out else f"{_NONE}: the controller is on v1 alone"


def _here(layout: Layout, limits: list[Limit]) -> str:
    controller = limits[0].controller if limits else ""
    tree = layout.of(controller) or layout.of(_V2_NAMES.get(controller, controller))
    if tree is not None:
        return f"v{tree.version}"
    return "v2" if controller == "devices" and layout.v2() else "neither"


def in_words(table: pd.DataFrame, layout: Layout | None = None) -> str:
    """What this host mounts, and which version its limits go to."""
    mode = (layout or detect()).mode
    counts = table["here"].value_counts()
    said = [f"{counts[name]} go{'es' * int(counts[name] == 1)} to {name}" for name in ("v1", "v2") if name in counts]
    lacking = list(table[table["here"] == "neither"]["limit"])
    mounted = {"none": "no cgroups", "hybrid": "both versions, with the controllers divided between them (hybrid)"}
    text = f"This host mounts {mounted.get(mode, f'cgroup {mode} alone')}."
    text += f" Of these {len(table)} limits {style.list_in_words(said)}." if said else ""
    return text + (f" It has no controller for {style.list_in_words(lacking)}." if lacking else "")


def weights(shares: list[int]) -> pd.DataFrame:
    """What v1's cpu.shares become as v2's cpu.weight: columns `shares`, `weight`, and `ratio` to those of 1024.

    `v2_ratio` is what the ratio has become: the conversion is a straight line that does not go through zero.
    """
    rows = [(one, v2.weight(one), one / 1024, v2.weight(one) / v2.weight(1024)) for one in shares]
    return pd.DataFrame(rows, columns=["shares", "weight", "ratio", "v2_ratio"])


def weights_in_words(table: pd.DataFrame) -> str:
    """Where the ratio to the default of 1024 has changed most."""
    change = (table["v2_ratio"] / table["ratio"] - 1).abs()
    worst = table.iloc[int(change.to_numpy().argmax())]
    return (
        f"cpu.shares of {worst['shares']:,.0f} ask for {style.number(worst['ratio'])} times the CPU of 1024; as a "
        f"cpu.weight of {worst['weight']:,.0f} they get {style.number(worst['v2_ratio'])} times that of "
        f"{v2.weight(1024)}, since weights are whole numbers and the line does not go through zero."
    )

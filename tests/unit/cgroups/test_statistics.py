"""Statistics from trees of plain files with what kernels have written to them."""

import os

import pytest

from labkit.cgroups import statistics
from labkit.cgroups.statistics import UNLIMITED, numbers, read

V2 = {
    "cgroup.controllers": "cpu io memory pids hugetlb\n",
    "cpu.stat": "usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_periods 4\nnr_throttled 2\nthrottled_usec 70\n",
    "cpu.max": "50000 100000\n",
    "cpu.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
    "memory.current": "5000\n",
    "memory.max": "8000\n",
    "memory.peak": "7000\n",
    "memory.swap.current": "10\n",
    "memory.swap.max": "max\n",
    "memory.stat": "anon 4000\nfile 900\n",
    "memory.events": "low 0\nhigh 1\nmax 6\noom 2\noom_kill 1\noom_group_kill 0\n",
    "pids.current": "3\n",
    "pids.max": "max\n",
    "io.stat": "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
    "hugetlb.2MB.current": "2097152\n",
    "hugetlb.2MB.rsvd.current": "0\n",
    "hugetlb.2MB.events": "max 5\n",
}
V1 = {
    "cpuacct": {
        "cpuacct.usage": "1000\n",
        "cpuacct.stat": "user 2\nsystem 3\n",
        "cpuacct.usage_percpu": "600 400 \n",
        "cpuacct.usage_all": "cpu user system\n0 500 100\n1 250 150\n",
    },
    "cpu": {
        "cpu.cfs_quota_us": "-1\n",
        "cpu.stat": "nr_periods 5\nnr_throttled 1\nthrottled_time 99\nnr_bursts 0\nburst_time 0\n",
    },
    "pids": {"pids.current": "2\n", "pids.max": "20\n"},
    "blkio": {
        "blkio.reset_stats": "",
        "blkio.bfq.io_service_bytes_recursive": "Total 0\n",
        "blkio.throttle.io_service_bytes_recursive": "254:0 Read 4096\n254:0 Total 4096\nTotal 4096\n",
        "blkio.throttle.io_serviced_recursive": "254:0 Read 1\nTotal 1\n",
    },
    "memory": {
        "memory.limit_in_bytes": "100\n",
        "memory.usage_in_bytes": "50\n",
        "memory.max_usage_in_bytes": "90\n",
        "memory.failcnt": "7\n",
        "memory.stat": "cache 20\nrss 30\n",
    },
}


def make(folder, files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def test_v2(tmp_path):
    found = read([make(tmp_path / "two", V2)])
    usage = found["cpu"]["usage"]
    assert (usage["total"], usage["user"], usage["kernel"]) == (300_000, 200_000, 100_000)
    assert found["cpu"]["throttling"] == {"periods": 4, "throttledPeriods": 2, "throttledTime": 70_000}
    assert found["cpu"]["psi"]["some"] == {"avg10": 1.5, "avg60": 0.0, "avg300": 0.0, "total": 12}
    memory = found["memory"]
    assert memory["usage"] == {"limit": 8000, "usage": 5000, "max": 7000, "failcnt": 6}
    assert (memory["swap"]["usage"], memory["swap"]["limit"]) == (5010, UNLIMITED)
    assert (memory["cache"], memory["event_count"]["oom_kill"]) == (900, 1)
    assert found["pids"] == {"current": 3, "limit": 0}
    assert found["hugetlb"] == {"2MB": {"usage": 2097152, "max": 0, "failcnt": 5}}
    entry = {"major": 8, "minor": 0}
    assert found["blkio"]["ioServiceBytesRecursive"] == [
        {**entry, "op": "Read", "value": 4096},
        {**entry, "op": "Write", "value": 8192},
    ]


def test_v1_is_put_together_from_its_trees(tmp_path):
    found = read([make(tmp_path / name, files) for name, files in V1.items()])
    assert found["cpu"]["usage"] == {
        "total": 1000,
        "percpu": [600, 400],
        "percpu_kernel": [100, 150],
        "percpu_user": [500, 250],
        "kernel": 30_000_000,
        "user": 20_000_000,
    }
    assert found["cpu"]["throttling"] == {"periods": 5, "throttledPeriods": 1, "throttledTime": 99}
    assert found["memory"]["usage"] == {"limit": 100, "usage": 50, "max": 90, "failcnt": 7}
    assert found["memory"]["cache"] == 20
    assert found["pids"] == {"current": 2, "limit": 20}
    # BFQ's table has no line for a device, so the throttle's counts.
    entry = {"major": 254, "minor": 0, "op": "Read"}
    assert found["blkio"]["ioServiceBytesRecursive"][0] == {**entry, "value": 4096}
    assert found["blkio"]["ioServicedRecursive"] == [{**entry, "value": 1}]


def test_on_a_hybrid_host_the_v2_tree_does_not_replace_what_v1_counted(tmp_path):
    v2 = make(tmp_path / "two", {"cgroup.controllers": "\n", "cpu.stat": "usage_usec 9\nuser_usec 9\nsystem_usec 0\n"})
    assert read([make(tmp_path / "cpuacct", V1["cpuacct"]), v2])["cpu"]["usage"]["total"] == 1000


def test_a_container_that_is_gone_has_used_nothing(tmp_path):
    assert read([str(tmp_path / "gone")]) == read([])


def test_pressure_that_is_not_measured_is_left_out(tmp_path, monkeypatch):
    folder = make(tmp_path / "two", V2)
    original = statistics.read_file

    def refuse(path):
        if path.endswith(".pressure"):
            raise OSError(95, os.strerror(95), path)
        return original(path)

    monkeypatch.setattr(statistics, "read_file", refuse)
    assert "psi" not in read([folder])["cpu"]


@pytest.mark.parametrize(("text", "found"), [("0-2,7\n", [0, 1, 2, 7]), ("\n", []), ("3\n", [3])])
def test_lists_of_cpus(text, found):
    assert numbers(text) == found

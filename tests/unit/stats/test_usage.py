from labkit.stats.usage import frame

TREE = {
    "cpu": {
        "usage": {"total": 9, "percpu": [4, 5]},
        "throttling": {"periods": 2, "throttledTime": 7},
        "psi": {"some": {"avg10": 1.5, "total": 3}},
    },
    "cpuset": {"cpus": [0, 1], "cpu_exclusive": 0},
    "memory": {"usage": {"limit": 64, "failcnt": 1}, "raw": {"pgfault": 8, "cache": 6}},
    "blkio": {"ioServiceBytesRecursive": [{"major": 8, "minor": 0, "op": "Read", "value": 4096}]},
    "network_interfaces": None,
}


def test_every_figure_is_a_row_with_its_unit():
    rows = frame([(0.5, TREE)])
    assert set(rows["time"]) == {0.5}
    assert {(row.metric, row.part): (row.unit, row.value) for row in rows.itertuples()} == {
        ("cpu.usage.total", ""): ("ns", 9),
        ("cpu.usage.percpu", "0"): ("ns", 4),
        ("cpu.usage.percpu", "1"): ("ns", 5),
        ("cpu.throttling.periods", ""): ("1", 2),
        ("cpu.throttling.throttledTime", ""): ("ns", 7),
        ("cpu.psi.some.avg10", ""): ("%", 1.5),
        ("cpu.psi.some.total", ""): ("us", 3),
        ("cpuset.cpu_exclusive", ""): ("1", 0),
        ("memory.usage.limit", ""): ("B", 64),
        ("memory.usage.failcnt", ""): ("1", 1),
        ("memory.raw.pgfault", ""): ("1", 8),
        ("memory.raw.cache", ""): ("B", 6),
        ("blkio.ioServiceBytesRecursive", "8:0 Read"): ("B", 4096),
    }


def test_samples_follow_each_other():
    rows = frame([(0.0, {"cpu_ns": 5, "pids": 1}), (0.1, {"cpu_ns": 8})])
    assert rows[["time", "metric", "unit", "value"]].to_numpy().tolist() == [
        [0.0, "cpu_ns", "ns", 5],
        [0.0, "pids", "1", 1],
        [0.1, "cpu_ns", "ns", 8],
    ]


def test_no_samples_are_an_empty_table():
    assert list(frame([]).columns) == ["time", "metric", "part", "unit", "value"]

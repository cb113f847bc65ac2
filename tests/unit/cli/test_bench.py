import numpy as np
import pandas as pd
import pytest

from labkit.cli import bench
from labkit.errors import LabkitError, UsageError
from labkit.stats import Targets


def observations(**medians):
    """Twenty rounds of `run` in which each runtime takes its median, up to a drift that all share."""
    rows = [
        {"condition": "warm", "workload": "run", "metric": "whole_life", "runtime": name, "block": block}
        | {"status": "ok", "reason": "", "value": value * (1 + block / 100)}
        for name, value in medians.items()
        for block in range(20)
    ]
    return pd.DataFrame(rows)


def test_the_table_has_medians_and_ratios_with_intervals():
    text = bench.table(observations(labkit=0.004, crun=0.008, runc=0.02))
    line = next(line for line in text.splitlines() if line.split()[1:2] == ["labkit"])
    assert "4.38 ms" in line
    assert "0.50 [0.50, 0.50]" in line
    assert "0.20 [0.20, 0.20]" in line


def test_a_baseline_that_is_missing_is_a_dash():
    line = bench.table(observations(labkit=0.004, runc=0.02)).splitlines()[1]
    assert line.split()[:5] == ["run", "labkit", "4.38", "ms", "-"]


def test_a_throughput_is_shown_in_containers_per_second():
    frame = observations(labkit=100.0, crun=50.0).assign(workload="sixteen", metric="throughput")
    line = bench.table(frame).splitlines()[1]
    assert line.split()[:3] == ["sixteen", "labkit", "109.5/s"]


@pytest.mark.parametrize("metric", ["cgroups_v1", "cgroups_v2"])
def test_cgroups_are_shown_whatever_the_hosts_version(metric):
    runs = observations(labkit=0.004, crun=0.008)
    costs = observations(**{"labkit": 0.001, "mkdir+rmdir": 0.0005}).assign(workload="cgroups", metric=metric)
    shares = observations(labkit=0.005).assign(workload="sampling", metric="sampling")
    lines = bench.table(pd.concat([runs, costs, shares])).splitlines()
    assert lines[3].split()[:4] == ["cgroups", "labkit", "1.09", "ms"]
    assert lines[4].split()[:2] == ["cgroups", "mkdir+rmdir"]
    assert lines[5].split()[:4] == ["sampling", "labkit", "0.55", "%"]


def test_without_any_baseline_there_is_no_table():
    with pytest.raises(LabkitError, match="neither crun nor runc"):
        bench.table(observations(host=0.001))


def test_verdicts_have_what_is_wanted_and_what_was_measured():
    first, second, *_ = bench.verdicts(Targets()(observations(labkit=0.006, crun=0.008))).splitlines()
    assert first.split()[-7:] == ["crun", "<=", "0.6", "0.75", "[0.75,", "0.75]", "missed"]
    assert second.split()[-3:] == ["-", "not", "measured"]


def test_what_was_not_available_is_named():
    frame = observations(crun=0.008)
    missing = {"runtime": "bwrap", "status": "unavailable", "reason": "not installed", "value": np.nan, "block": -1}
    both = pd.concat([frame, pd.DataFrame([missing])])
    assert bench.missing(both) == [("bwrap", "unavailable", "not installed")]


@pytest.mark.parametrize("argv", [["--rounds", "1"], ["--rounds", "x"], ["more"], ["--nope"]])
def test_a_malformed_line_is_a_usage_error(argv):
    with pytest.raises(UsageError):
        bench.main(argv)

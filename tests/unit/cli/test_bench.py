import numpy as np
import pandas as pd
import pytest

from labkit.cli import bench
from labkit.errors import LabkitError, UsageError


def observations(**medians):
    """Twenty blocks in which each runtime takes its median, up to a drift that all share."""
    rows = [
        {"condition": "warm", "metric": "whole_life", "runtime": name, "block": block, "status": "ok", "reason": ""}
        | {"value": value * (1 + block / 100)}
        for name, value in medians.items()
        for block in range(20)
    ]
    return pd.DataFrame(rows)


def test_the_table_has_medians_and_ratios_with_intervals():
    text = bench.table(observations(labkit=0.004, crun=0.008, runc=0.02))
    line = next(line for line in text.splitlines() if line.startswith("labkit "))
    assert "0.50 [0.50, 0.50]" in line
    assert "0.20 [0.20, 0.20]" in line


def test_a_baseline_that_is_missing_is_a_dash():
    line = bench.table(observations(labkit=0.004, runc=0.02)).splitlines()[1]
    assert line.split()[:4] == ["labkit", "4.38", "ms", "-"]


def test_without_any_baseline_there_is_no_table():
    with pytest.raises(LabkitError, match="neither crun nor runc"):
        bench.table(observations(host=0.001))


@pytest.mark.parametrize(("median", "met"), [(0.004, True), (0.009, False)])
def test_a_target_is_met_or_missed(capsys, median, met):
    assert bench._met(observations(labkit=median, crun=0.008), "labkit", "crun", 0.8) is met
    assert ("met" if met else "MISSED") in capsys.readouterr().out


def test_what_was_not_available_is_named():
    frame = observations(crun=0.008)
    missing = {"runtime": "bwrap", "status": "unavailable", "reason": "not installed", "value": np.nan, "block": -1}
    assert bench.unavailable(pd.concat([frame, pd.DataFrame([missing])])) == [("bwrap", "not installed")]


@pytest.mark.parametrize("argv", [["--rounds", "1"], ["--rounds", "x"], ["more"], ["--nope"]])
def test_a_malformed_line_is_a_usage_error(argv):
    with pytest.raises(UsageError):
        bench.main(argv)

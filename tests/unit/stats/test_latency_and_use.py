import numpy as np
import pandas as pd
import pytest

from labkit.stats import Latency, LevelOfUse
from labkit.stats.level_of_use import memory_by_part, with_sums
from labkit.stats.synthetic import row, study

SERVER = "redis"


def test_each_percentile_has_its_median_and_its_ratio():
    found = Latency()(
        study(
            {(SERVER, "latency_p50"): {"runc": 0.001, "a": 0.002}, (SERVER, "latency_p99"): {"runc": 0.01, "a": 0.09}}
        )
    )
    assert list(found["percentile"]) == [50, 50, 99, 99]
    last = found[(found["runtime"] == "a") & (found["percentile"] == 99)].iloc[0]
    assert last["median"] == pytest.approx(0.09, rel=0.2)
    assert last["ratio_low"] < 9 < last["ratio_high"]


def test_a_mean_latency_is_no_percentile():
    assert Latency()(study({(SERVER, "latency_mean"): {"runc": 0.001}})).empty


def test_without_the_baseline_a_latency_is_told_without_a_ratio():
    found = Latency()(study({(SERVER, "latency_p50"): {"a": 0.002}}))
    assert np.isnan(found["ratio"]).all()
    assert (found["median"] > 0).all()


def test_cpu_is_user_and_system_of_the_same_trial_together():
    rows = [
        row("runc", SERVER, block, 0, metric, value)
        for block in range(3)
        for metric, value in (("cpu_user", 1.0 + block), ("cpu_system", 0.5))
    ]
    sums = with_sums(pd.DataFrame(rows))
    assert list(sums[sums["metric"] == "cpu"]["value"]) == [1.5, 2.5, 3.5]


def test_a_trial_that_lacks_a_part_has_no_sum():
    sums = with_sums(pd.DataFrame([row("runc", SERVER, 0, 0, "cpu_user", 1.0)]))
    assert "cpu" not in set(sums["metric"])


def test_use_is_told_with_an_interval_and_beside_runc():
    found = LevelOfUse()(study({(SERVER, "cpu_per_operation"): {"runc": 1e-5, "a": 1e-4}}))
    one = found.set_index("runtime").loc["a"]
    assert one["ratio"] == pytest.approx(10, rel=0.1)
    assert one["low"] < 1e-4 * 1.1
    assert one["low"] <= one["median"] <= one["high"]


def test_a_use_of_nothing_is_told_and_has_no_ratio():
    rows = pd.DataFrame(
        [row(name, SERVER, block, 0, "page_faults", 0.0) for name in ("runc", "a") for block in range(6)]
    )
    found = LevelOfUse()(rows).set_index("runtime")
    assert found.loc["a", "median"] == 0
    assert np.isnan(found.loc["a", "ratio"])


def test_memory_is_told_by_part_in_mib_and_without_the_peak():
    megabyte = float(2**20)
    rows = study(
        {
            (SERVER, "memory_sentry"): {"runsc-ptrace": 30 * megabyte},
            (SERVER, "memory_peak"): {"runsc-ptrace": 99 * megabyte},
            ("empty", "memory_sentry"): {"runsc-ptrace": 1 * megabyte},
        }
    )
    found = memory_by_part(rows, SERVER)
    assert list(found["part"]) == ["sentry"]
    assert found["memory"].iloc[0] == pytest.approx(30, rel=0.15)
    assert memory_by_part(rows, "nginx").empty

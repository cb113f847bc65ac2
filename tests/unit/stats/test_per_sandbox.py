import numpy as np
import pandas as pd
import pytest

from labkit.stats.per_sandbox import PerSandbox


def observed(blocks, each, first, noise=0.0, metric="pss"):
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "experiment": "idle",
            "status": "ok",
            "metric": metric,
            "runtime": "crun",
            "block": block,
            "condition": f"{count} idle",
            "value": first + each * count + noise * rng.standard_normal(),
        }
        for block in range(blocks)
        for count in (1, 2, 4)
    )


def test_the_slope_is_what_one_more_takes_and_not_what_the_first_takes_besides():
    found = PerSandbox()(observed(6, each=2e6, first=5e6)).iloc[0]
    assert found["each"] == pytest.approx(2e6)
    assert found["first"] == pytest.approx(5e6)
    assert (found["low"], found["high"]) == pytest.approx((2e6, 2e6))


def test_the_interval_holds_the_slope_of_noisy_levels():
    found = PerSandbox()(observed(40, each=2e6, first=0.0, noise=1e5)).iloc[0]
    assert found["low"] < 2e6 < found["high"]
    assert found["n"] == 40


def test_fewer_than_six_blocks_have_no_interval():
    found = PerSandbox()(observed(5, each=1.0, first=0.0)).iloc[0]
    assert np.isnan(found["low"])
    assert found["each"] == pytest.approx(1)


def test_a_single_level_has_no_slope():
    frame = observed(6, each=1.0, first=0.0)
    assert PerSandbox()(frame[frame["condition"] == "4 idle"]).empty


def test_failed_trials_and_other_experiments_do_not_count():
    frame = observed(6, each=1.0, first=0.0)
    assert PerSandbox()(frame.assign(status="failed")).empty
    assert PerSandbox()(frame.assign(experiment="study")).empty

import numpy as np
import pandas as pd
import pytest

from labkit.stats import ColdOverWarm
from labkit.stats.synthetic import synthetic


def observations(seed: int = 1, noise: float = 0.1) -> pd.DataFrame:
    warm = synthetic({"runc": 0.02, "crun": 0.01}, blocks=20, seed=seed, noise=noise, drift=0)
    cold = synthetic({"runc": 0.06}, blocks=12, seed=seed + 10_000, noise=noise, drift=0, conditions=("cold",))
    return pd.concat([warm, cold], ignore_index=True)


def test_an_exact_multiple_is_found():
    (found,) = ColdOverWarm()(observations(noise=0)).query("metric == 'whole_life'").to_dict("records")
    assert found["runtime"] == "runc"
    assert (found["ratio"], found["low"], found["high"]) == pytest.approx((3, 3, 3))
    assert (found["n_cold"], found["n_warm"]) == (12, 20)


def test_the_interval_holds_the_truth_about_19_times_in_20():
    held = 0
    for seed in range(100):
        frame = ColdOverWarm(resamples=400)(observations(seed)).query("metric == 'whole_life'")
        held += int(((frame["low"] <= 3) & (frame["high"] >= 3)).sum())
    assert held >= 88


def test_warm_alone_gives_an_empty_table():
    assert ColdOverWarm()(synthetic({"runc": 1.0})).empty


def test_one_cold_block_has_no_interval():
    frame = pd.concat([synthetic({"runc": 1.0}), synthetic({"runc": 2.0}, blocks=1, conditions=("cold",))])
    assert np.isnan(ColdOverWarm()(frame)[["low", "high"]].to_numpy()).all()

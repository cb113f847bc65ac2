from labkit.stats import AAControl
from labkit.stats.synthetic import synthetic


def test_a_runtime_against_itself_passes():
    control = AAControl()(synthetic({"runc": 0.02, "runc-again": 0.02, "crun": 0.01}))
    assert list(control["metric"]) == ["first_instruction", "whole_life"]
    assert control["passed"].all()


def test_a_biased_harness_is_caught():
    assert not AAControl()(synthetic({"runc": 0.02, "runc-again": 0.026})).passed.any()


def test_without_the_control_the_table_is_empty():
    assert AAControl()(synthetic({"runc": 0.02})).empty


def test_it_passes_about_19_times_in_20():
    passed = [
        AAControl()(synthetic({"runc": 0.02, "runc-again": 0.02}, blocks=12, seed=seed)).passed.mean()
        for seed in range(60)
    ]
    assert sum(passed) / len(passed) > 0.9

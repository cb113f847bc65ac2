import pandas as pd
import pytest

from labkit.stats import Compare
from labkit.stats.compare import different_facts, different_versions
from labkit.stats.synthetic import study, synthetic

KEY = ("redis", "throughput")


def test_a_host_that_is_slower_for_all_agrees():
    first = study({KEY: {"runc": 100.0, "runsc-ptrace": 20.0}}, seed=1)
    second = study({KEY: {"runc": 10.0, "runsc-ptrace": 2.0}}, seed=2)
    (row,) = Compare()(first, second).to_dict("records")
    assert (row["runtime"], row["verdict"]) == ("runsc-ptrace", "agree")
    assert row["low"] < 1 < row["high"]


def test_a_price_that_differs_is_seen_with_its_factor():
    first = study({KEY: {"runc": 100.0, "a": 20.0}}, seed=1)
    second = study({KEY: {"runc": 100.0, "a": 40.0}}, seed=2)
    (row,) = Compare()(first, second).to_dict("records")
    assert row["verdict"] == "differ"
    assert row["ratio"] == pytest.approx(2, rel=0.1)
    assert row["low"] < 2 < row["high"]
    assert (row["first"], row["second"]) == (pytest.approx(0.2, rel=0.1), pytest.approx(0.4, rel=0.1))


def test_a_run_agrees_with_itself():
    one = synthetic({"runc": 0.02, "crun": 0.01}, conditions=("warm", "cold"))
    found = Compare()(one, one)
    assert set(found["verdict"]) == {"agree"}
    assert len(found) == 4
    assert (found["ratio"] == 1).all()


def test_too_few_blocks_on_one_side_decide_nothing():
    few = study({KEY: {"runc": 100.0, "a": 20.0}}, blocks=3)
    many = study({KEY: {"runc": 100.0, "a": 99.0}})
    assert list(Compare()(few, many)["verdict"]) == ["too few blocks"]


def test_nothing_in_common_gives_no_rows():
    one = study({KEY: {"runc": 1.0, "a": 1.0}})
    other = study({("nginx", "throughput"): {"runc": 1.0, "a": 1.0}})
    without = study({KEY: {"a": 1.0}})
    assert Compare()(one, other).empty
    assert Compare()(one, without).empty
    assert Compare()(one, synthetic({"runc": 1.0, "a": 1.0})).empty


def test_facts_and_versions_that_differ_are_named():
    assert different_facts({"kernel": "6.1", "load": [1]}, {"kernel": "6.12", "load": [2]}) == [
        ("kernel", "6.1", "6.12")
    ]
    one = study({KEY: {"runc": 1.0, "a": 1.0}})
    newer = one.assign(version="2.0")
    assert different_versions(one, newer) == [("a", "1.0", "2.0"), ("runc", "1.0", "2.0")]
    assert different_versions(one, pd.concat([one, newer[newer["status"] != "ok"]])) == []

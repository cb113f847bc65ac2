import numpy as np
import pandas as pd
import pytest

from labkit.stats import Decision
from labkit.stats.decision import MACHINE, SHARED, USER_SPACE, isolation


def costs(*rows: tuple[str, str, float, float, float], group: str = "cpu") -> pd.DataFrame:
    columns = ["workload", "runtime", "ratio", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(group=group, baseline="runc", n=20, warning="")


def test_the_cheapest_of_each_kind_of_isolation_is_chosen():
    found = Decision()(
        costs(
            ("a", "runc", 1, 1, 1),
            ("a", "crun", 0.5, 0.4, 0.6),
            ("a", "runsc-ptrace", 9, 8, 10),
            ("a", "runsc-kvm", 3, 2.5, 3.5),
            ("a", "microvm", 2, 1.9, 2.1),
        )
    ).set_index("isolation")
    assert dict(found["runtime"]) == {SHARED: "crun", USER_SPACE: "runsc-kvm", MACHINE: "microvm"}
    assert list(found["alike"]) == ["", "", ""]


def test_what_cannot_be_told_from_the_cheapest_is_named():
    (row,) = Decision()(costs(("a", "runc", 1, 1, 1), ("a", "crun", 0.98, 0.9, 1.05))).to_dict("records")
    assert (row["runtime"], row["alike"]) == ("crun", "runc")


def test_without_intervals_nothing_is_decided_between_two():
    nan = float("nan")
    (row,) = Decision()(costs(("a", "labkit", 1.5, nan, nan), ("a", "crun", 0.98, nan, nan))).to_dict("records")
    assert (row["runtime"], row["alike"]) == ("crun", "labkit")


def test_a_group_is_summed_up_by_the_geometric_mean_and_its_worst_workload_named():
    rows = [(name, "microvm", ratio, ratio * 0.9, ratio * 1.1) for name, ratio in (("a", 1.0), ("b", 16.0))]
    (row,) = Decision()(costs(*rows)).to_dict("records")
    assert row["ratio"] == pytest.approx(4)
    assert row["low"] < 4 < row["high"]
    assert (row["worst"], row["worst_ratio"]) == ("b", 16.0)


def test_a_runtime_that_was_measured_in_fewer_workloads_is_not_preferred_for_it():
    both = [("a", "crun", 1.2, 1.1, 1.3), ("b", "crun", 1.2, 1.1, 1.3)]
    (row,) = Decision()(costs(*both, ("a", "labkit", 0.5, 0.4, 0.6))).to_dict("records")
    assert (row["runtime"], row["workloads"], row["of"]) == ("crun", 2, 2)


def test_the_host_and_the_control_are_no_choice():
    assert Decision()(costs(("a", "host", 0.1, 0.1, 0.1), ("a", "runc-again", 0.9, 0.8, 0.95))).empty
    assert isolation("host") == ""


def test_nothing_measured_decides_nothing():
    found = Decision()(costs().astype({"ratio": np.float64}))
    assert found.empty

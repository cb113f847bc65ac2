import numpy as np
import pandas as pd

from labkit.stats import ParetoFront


def frame(values, spread=0.0, workload="redis"):
    return pd.DataFrame(
        [
            {"workload": workload, "runtime": name, "value": value, "low": value - spread, "high": value + spread}
            for name, value in values.items()
        ]
    )


def found(cost, reach):
    return ParetoFront()(cost, reach).set_index("runtime")


def test_who_is_best_in_one_is_on_the_front_and_who_is_worse_in_both_is_not():
    rows = found(frame({"fast": 1, "narrow": 3, "neither": 4}), frame({"fast": 50, "narrow": 20, "neither": 60}))
    assert dict(rows["front"]) == {"fast": True, "narrow": True, "neither": False}
    assert dict(rows["beaten"]) == {"fast": False, "narrow": False, "neither": True}


def test_where_intervals_overlap_nobody_is_beaten():
    rows = found(frame({"fast": 1, "near": 1.1}, spread=0.2), frame({"fast": 50, "near": 51}))
    assert not rows.loc["near", "front"]
    assert not rows.loc["near", "beaten"]


def test_equals_are_both_on_the_front():
    rows = found(frame({"one": 1, "other": 1}), frame({"one": 50, "other": 50}))
    assert rows["front"].all()


def test_no_interval_stands_for_the_value():
    cost = frame({"fast": 1, "slow": 2}).assign(low=np.nan, high=np.nan)
    assert found(cost, frame({"fast": 10, "slow": 20})).loc["slow", "beaten"]


def test_each_workload_has_a_front_of_its_own_and_needs_both_costs():
    cost = pd.concat(
        [frame({"a": 1, "b": 2}), frame({"a": 2, "b": 1}, workload="nginx"), frame({"a": 1}, workload="x")]
    )
    reach = pd.concat([frame({"a": 5, "b": 5}), frame({"a": 5, "b": 5}, workload="nginx")])
    rows = ParetoFront()(cost, reach)
    front = rows[rows["front"]]
    assert list(zip(front["workload"], front["runtime"], strict=True)) == [("redis", "a"), ("nginx", "b")]


def test_without_a_pair_there_are_columns_and_no_rows():
    rows = ParetoFront()(frame({"a": 1}), frame({"a": 1}, workload="other"))
    assert rows.empty
    assert {"cost", "reach", "front", "beaten"} <= set(rows.columns)


def test_host_is_no_sandbox_and_takes_no_part():
    rows = found(frame({"host": 1, "a": 2}), frame({"host": 3, "a": 50}))
    assert dict(rows["front"]) == {"host": False, "a": True}
    assert not rows["beaten"].any()

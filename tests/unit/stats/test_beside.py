import pandas as pd
import pytest

from labkit.stats import Beside

FIGURES = pd.DataFrame(
    [
        {"id": 1, "runtime": "gvisor", "platform": "ptrace", "baseline": "runc", "better": "lower", "ratio": 20.0},
        {"id": 2, "runtime": "gvisor", "platform": None, "baseline": "runc", "better": "higher", "ratio": 0.25},
        {"id": 3, "runtime": "runc", "platform": None, "baseline": "native", "better": "lower", "ratio": 1.1},
        {"id": 4, "runtime": "kata", "platform": "qemu", "baseline": "runc", "better": "lower", "ratio": None},
    ]
).assign(workload="theirs", source="s")


def beside(pairs: list[tuple[int, str]], *costs: tuple[str, str, str, float, float, float]) -> pd.DataFrame:
    columns = ["workload", "runtime", "baseline", "ratio", "low", "high"]
    counterparts = pd.DataFrame(pairs, columns=["id", "workload"])
    return Beside(FIGURES, counterparts)(pd.DataFrame(costs, columns=columns))


def test_a_published_ratio_in_our_interval_agrees_and_another_is_so_far_apart():
    pairs = [(1, "getpid")]
    (row,) = beside(pairs, ("getpid", "runsc-ptrace", "runc", 18, 15, 21)).to_dict("records")
    assert row["verdict"] == "within"
    (row,) = beside(pairs, ("getpid", "runsc-ptrace", "runc", 14, 13, 15)).to_dict("records")
    assert (row["verdict"], row["apart"]) == ("near", pytest.approx(20 / 14))
    (row,) = beside(pairs, ("getpid", "runsc-ptrace", "runc", 5, 4, 6)).to_dict("records")
    assert (row["verdict"], row["apart"]) == ("apart", pytest.approx(4))


def test_a_throughput_is_turned_over_into_a_cost():
    (row,) = beside([(2, "redis")], ("redis", "runsc-kvm", "runc", 4, 3, 5)).to_dict("records")
    assert row["published"] == 4
    assert row["verdict"] == "within"


def test_a_figure_without_a_platform_stands_beside_all_of_them():
    costs = [("redis", f"runsc-{name}", "runc", 4.0, 3.0, 5.0) for name in ("ptrace", "kvm")]
    assert set(beside([(2, "redis")], *costs)["runtime"]) == {"runsc-ptrace", "runsc-kvm"}


def test_native_is_the_host_and_another_baseline_is_no_counterpart():
    pairs = [(3, "getpid")]
    assert len(beside(pairs, ("getpid", "runc", "host", 1.1, 1.0, 1.2))) == 1
    assert beside(pairs, ("getpid", "runc", "runc", 1.0, 1.0, 1.0)).empty


def test_a_figure_without_a_ratio_or_without_our_figure_is_left_out():
    assert beside([(4, "redis"), (1, "redis")], ("redis", "microvm", "runc", 4, 3, 5)).empty

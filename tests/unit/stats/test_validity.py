import pandas as pd
import pytest

from labkit.stats import Validity
from labkit.stats.synthetic import row, study
from labkit.stats.validity import by_chance

CALM = {"load_before": [0.1, 0, 0], "load_after": [1.0, 0, 0], "steal_percent": 0.1, "experiment": "study"}
FACTS = {
    "cpus": 4,
    "governor": "performance",
    "virtualization": "none found",
    "clocksource": "tsc",
}
KEY = ("redis", "throughput")
STEADY = {"host": 100.0, "runc": 90.0, "runc-again": 90.0}


def verdicts(observations: pd.DataFrame, facts=FACTS, sessions=(CALM,)) -> dict[str, str]:
    found = Validity()(observations, facts, sessions)
    return dict(zip(found["threat"], found["verdict"], strict=True))


@pytest.fixture(scope="module")
def steady() -> pd.DataFrame:
    both = study({KEY: STEADY, ("redis", "harness"): {"runc": 0.004}})
    # Without the drift that every series shares.
    value = both["value"].where(both["metric"] == "harness", both["runtime"].map(STEADY))
    return both.assign(value=value * (1 + 0.001 * (both["block"] * 7 % 5)))


def test_a_calm_run_on_a_bare_host_shows_no_threat(steady):
    assert set(verdicts(steady).values()) == {"none seen"}


@pytest.mark.parametrize(
    ("facts", "session", "threat"),
    [
        ({}, {"load_before": [3.0, 0, 0]}, "other programs running"),
        ({}, {"steal_percent": 7.0}, "time that a hypervisor took"),
        ({"governor": "powersave"}, {}, "a CPU frequency that changes"),
        ({"virtualization": "kvm"}, {}, "a host that is a virtual machine"),
        ({"clocksource": "hpet"}, {}, "a slow clock"),
        ({"cpus": 1}, {}, "a load that takes the sandbox's CPU"),
    ],
)
def test_each_threat_of_the_host_is_told(steady, facts, session, threat):
    assert verdicts(steady, FACTS | facts, [CALM | session])[threat] == "beware"


def test_what_the_host_does_not_tell_is_not_known(steady):
    found = verdicts(steady, {"cpus": 4, "governor": "not shown by this host"}, [])
    unknown = {threat for threat, verdict in found.items() if verdict == "not known"}
    assert unknown == {
        "other programs running",
        "time that a hypervisor took",
        "a CPU frequency that changes",
        "a host that is a virtual machine",
        "a slow clock",
    }


def test_failed_trials_missing_runtimes_and_two_versions_are_told(steady):
    more = pd.DataFrame(
        [
            row("runc", "redis", 99, 0, "whole_life", status="failed", reason="it died") | {"experiment": "study"},
            row("kata", "", status="unavailable", reason="not installed") | {"experiment": "study"},
        ]
    )
    newer = steady.assign(version="2.0")
    found = verdicts(pd.concat([steady, newer, more], ignore_index=True))
    for threat in ("trials that are missing", "runtimes that are missing", "versions that change within the run"):
        assert found[threat] == "beware"


def test_differences_of_runc_from_itself_are_told_where_chance_does_not_make_so_many():
    keys = (KEY, ("sysbench-cpu", "throughput"), ("empty", "whole_life"))
    control = "differences where there is none (A/A control)"
    assert verdicts(study({key: STEADY | {"runc-again": 50.0} for key in keys}))[control] == "beware"
    assert verdicts(study({KEY: STEADY | {"runc-again": 50.0}}))[control] == "none seen"  # one of one comes by chance


def test_few_blocks_and_a_harness_that_takes_too_much_are_told():
    found = verdicts(study({KEY: STEADY, ("redis", "harness"): {"runc": 0.2}}, blocks=2))
    assert found["too few blocks for an interval"] == "beware"
    assert found["a harness that takes part"] == "beware"
    assert found["differences where there is none (A/A control)"] == "not known"


def test_the_probability_of_failures_by_chance():
    assert by_chance(0, 20) == pytest.approx(1)
    assert by_chance(1, 1) == pytest.approx(0.05)
    assert by_chance(5, 20) < 0.01

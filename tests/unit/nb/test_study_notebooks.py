import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.nb import ablation, engine, isolation, lives, profiles, study, synthesis
from labkit.nb.published import counterparts, figures, sources
from labkit.nb.study import Studied
from labkit.stats import Beside, Decision, LevelOfUse, Validity
from labkit.stats.missing import missing_pairs
from labkit.stats.synthetic import row
from labkit.stats.synthetic import study as made
from labkit.workloads.all import WORKLOADS

SPEEDS = {"host": 30e3, "labkit": 28e3, "crun": 25e3, "runc": 25e3, "runc-again": 25e3, "runsc-ptrace": 4e3}


@pytest.fixture(scope="module")
def observations() -> pd.DataFrame:
    lost = [
        row("microvm", "redis", 0, 3, status="failed", reason="it has no network"),
        row("runsc-kvm", "", status="unavailable", reason="/dev/kvm cannot be opened"),
    ]
    good = made(
        {
            ("redis", "throughput"): SPEEDS,
            ("redis", "cpu_per_operation"): {name: 1 / speed for name, speed in SPEEDS.items()},
            ("sysbench-cpu", "throughput"): dict.fromkeys(SPEEDS, 500.0),
            ("empty", "whole_life"): dict.fromkeys(SPEEDS, 0.05),
            ("empty", "harness"): dict.fromkeys(SPEEDS, 0.004),
        }
    )
    units = {"throughput": "1/s", "harness": "1"}
    good["unit"] = good["metric"].map(units).fillna("s")
    return pd.concat([good, pd.DataFrame(lost)], ignore_index=True)


@pytest.fixture(scope="module")
def studied(observations) -> Studied:
    return Studied(observations, {"cpus": 2, "host": "abc"}, [])


def test_a_part_of_the_study_keeps_what_was_not_available(studied):
    part = studied.of("applications")
    assert set(part.observations["condition"]) == {"redis", ""}
    assert len(studied.of().observations) == 1


def test_how_much_was_measured_and_failed_is_said(studied):
    assert studied.in_words() == "361 trials of 3 workloads in 7 runtimes, 20 blocks each; 1 failed."
    assert "Nothing of this was measured" in studied.of("of another version").in_words()


def test_what_is_missing_is_named_with_its_reason(studied):
    words = study.not_measured_in_words(studied.missing())
    assert "- microvm: 1 workload (redis): it has no network." in words
    assert "- runsc-kvm: not available: /dev/kvm cannot be opened." in words
    assert "Every workload" in study.not_measured_in_words(missing_pairs(studied.observations.iloc[:0]))


def test_a_pair_with_one_good_trial_is_not_missing(observations):
    again = pd.DataFrame([row("microvm", "redis", 1, 0, "throughput", 1.0)])
    assert "microvm" not in set(missing_pairs(pd.concat([observations, again]))["runtime"])


def test_every_workload_has_a_kind_of_load_that_a_notebook_shows():
    assert {one.group for one in WORKLOADS} <= {*study.LOADS, "harness"}
    for one in WORKLOADS:
        assert f"`{one.name}`" in study.workloads_in_words(one.group)


def test_the_profiles_measure_nothing_a_little_and_all():
    tiny, quick, full = (profiles.profile(name) for name in ("tiny", "quick", "full"))
    assert (tiny.core_blocks, tiny.other_blocks) == (0, 0)
    assert quick.core_blocks >= 6 > quick.other_blocks
    assert full.budget > quick.budget > 0
    assert full.most_blocks > full.core_blocks


def test_the_tiny_profile_measures_nothing_and_says_so(tmp_path):
    assert study.measure(tmp_path / "run", profiles.profile("tiny")) == [
        "The profile tiny measures nothing of the study."
    ]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("experiment", [ablation, engine, isolation, lives, study])
def test_an_ordinary_user_is_told_what_only_root_measures(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (said,) = experiment.measure(tmp_path / "run", profiles.profile("quick"))
    assert "root" in said
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_not_there_has_nothing_of_the_study(tmp_path):
    studied = study.read(tmp_path / "none")
    assert studied.observations.empty
    assert studied.costs().empty
    assert studied.all_costs().empty


def test_one_metric_of_use_is_drawn_like_a_cost_and_another_is_refused(observations):
    used = LevelOfUse()(observations)
    mine = study.only(used, "cpu_per_operation")
    assert {"workload", "runtime", "baseline", "ratio", "low", "high"} <= set(mine.columns)
    with pytest.raises(LabkitError, match="page faults was not measured"):
        study.only(used, "page_faults")


def test_the_decision_is_told_in_a_table_and_in_words(studied):
    found = Decision()(studied.of(*study.LOADS).costs())
    shown = str(synthesis.decision_table(found).data)
    assert shown.count("<tr") == 1 + 4
    said = synthesis.decisions_in_words(found)
    assert "If your load is applications, choose, behind the host's kernel, filtered: labkit (" in said
    assert "a kernel in user space: runsc-ptrace (6." in said
    assert "Nothing was measured" in synthesis.decisions_in_words(found.iloc[:0])


def test_published_figures_stand_beside_ours_with_their_hosts(studied):
    found = Beside(figures(), counterparts())(studied.all_costs())
    shown = str(synthesis.beside_table(found, sources()).data)
    assert "GCE n1-standard-4" in shown
    assert "redis SET" in shown
    assert "No published figure" in str(synthesis.beside_table(found.iloc[:0], sources()).data)


def test_every_counterpart_is_a_published_figure_and_named_once():
    pairs = counterparts()
    assert set(pairs["id"]) <= set(figures()["id"])
    assert not pairs["id"].duplicated().any()


def test_validity_and_the_harness_are_told_in_words(studied):
    found = Validity()(studied.observations, studied.facts, studied.sessions)
    assert "trials that are missing" in synthesis.validity_in_words(found)
    said = synthesis.harness_in_words(studied.observations)
    assert "ends at once takes" in said
    assert "0.4" in said
    assert "more than" not in said
    rows = studied.observations
    busy = rows.assign(value=rows["value"].where(rows["metric"] != "harness", 0.04))
    assert "It took more than 1 % beside empty." in synthesis.harness_in_words(busy)
    assert synthesis.harness_in_words(studied.observations.iloc[:0]) == "No empty trial was measured."


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0213, "s", "21.3 ms"),
        (2e-7, "s", "200 ns"),
        (3.0, "s", "3 s"),
        (5 * 2**20, "bytes", "5 MiB"),
        (2**31, "bytes/s", "2 GiB/s"),
        (8853.4, "1/s", "8,853/s"),
        (12.0, "1", "12"),
        (0.0, "s", "0 ns"),
    ],
)
def test_an_amount_is_told_in_a_power_that_reads_well(value, unit, text):
    assert synthesis.amount(value, unit) == text


def test_tables_of_nothing_say_so(studied):
    nothing = studied.observations.iloc[:0]
    assert "Nothing" in str(synthesis.cost_table(Studied(nothing, {}, []).costs()).data)
    assert "Nothing" in str(synthesis.use_table(LevelOfUse()(nothing)).data)
    assert "Nothing" in str(synthesis.sessions_table([]).data)


def test_the_table_of_costs_has_a_row_for_each_workload_and_runtime(studied):
    shown = str(synthesis.cost_table(studied.of("applications").costs()).data)
    assert shown.count("<tr") == 1 + len(SPEEDS)
    assert "÷ host (95 % interval)" in shown

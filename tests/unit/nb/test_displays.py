import pandas as pd
import pytest

from labkit.errors import LabkitError
from labkit.nb import displays, startup
from labkit.stats import AAControl, ColdOverWarm, Missing, Stability
from labkit.stats.synthetic import row, synthetic


def text(shown) -> str:
    return str(shown.data)


def test_a_table_escapes_what_a_program_said():
    assert "&lt;script&gt;" in text(displays.table(pd.DataFrame({"reason": ["<script>"]})))


def test_a_long_reason_is_not_cut():
    assert "x" * 300 in text(displays.table(pd.DataFrame({"reason": ["x" * 300]})))


def test_a_report_escapes_what_it_shows():
    assert "a &lt; b &amp; c" in text(displays.report("a < b & c"))


def test_ratios_stand_with_their_intervals_in_one_row_per_runtime():
    compared = startup.ratios(synthetic({"host": 0.001, "runc": 0.02, "crun": 0.01}))
    shown = text(displays.ratio_table(compared, "warm", "whole_life"))
    assert shown.count("<tr") == 1 + 3
    assert "÷ runc (95 % interval)" in shown
    assert "÷ host (95 % interval)" in shown


def test_facts_are_readable():
    facts = {"memory_bytes": 2**33, "mitigations": {"a": "Not affected", "b": "Vulnerable"}, "load": [0.5, 1.0, 2.0]}
    shown = text(displays.facts_table(facts))
    assert "8.0 GiB" in shown
    assert "b: Vulnerable; 1 others: not affected" in shown
    assert "0.50, 1.00, 2.00" in shown


def test_a_missing_runtime_is_in_the_table_with_its_reason():
    missing = Missing()(pd.DataFrame([row("runsc-kvm", "", status="unavailable", reason="/dev/kvm cannot be opened")]))
    assert "/dev/kvm cannot be opened" in text(displays.missing_table(missing))
    assert "Every runtime was available" in text(displays.missing_table(missing.iloc[:0]))


def test_only_unstable_series_are_listed():
    steady = Stability()(synthetic({"runc": 0.02}, noise=0.01, drift=0.0))
    assert text(displays.stability_table(steady)) == "<p>No series is unstable.</p>"
    wild = Stability()(synthetic({"runc": 0.02}, noise=0.5))
    assert "standard deviation" in text(displays.stability_table(wild))


def test_the_control_is_put_in_words():
    good = synthetic({"runc": 0.02, "runc-again": 0.02})
    assert "contains 1, as it must" in startup.control_in_words(AAControl()(good))
    biased = synthetic({"runc": 0.02, "runc-again": 0.03})
    assert "does not contain 1" in startup.control_in_words(AAControl()(biased))
    few = synthetic({"runc": 0.02, "runc-again": 0.02}, blocks=2)
    assert "2 blocks are too few" in startup.control_in_words(AAControl()(few))
    assert "not measured" in startup.control_in_words(AAControl()(synthetic({"runc": 1.0})))


def test_cold_is_compared_with_warm():
    observations = pd.concat([
        synthetic({"runc": 0.02, "crun": 0.01}, noise=0, drift=0),
        synthetic({"runc": 0.08, "crun": 0.02}, noise=0, drift=0, conditions=("cold",)),
    ])  # fmt: skip
    said = startup.cold_in_words(ColdOverWarm()(observations), "whole_life")
    assert "costs runc (4 times its warm start, 80 ms) most and crun (2 times" in said
    assert "4 " in text(displays.cold_table(ColdOverWarm()(observations), "whole_life"))


def test_what_cannot_be_shown_is_one_line_and_no_error(monkeypatch):
    shown = []
    monkeypatch.setattr(displays, "display", shown.append)
    with displays.or_say_why():
        raise LabkitError("no <cgroup> is delegated", "run as root")
    (said,) = shown
    assert said.data == "Cannot be shown here: no &lt;cgroup&gt; is delegated (run as root)"


def test_other_faults_are_not_hidden():
    with pytest.raises(ZeroDivisionError), displays.or_say_why():
        _ = 1 // 0


def test_where_there_is_nothing_to_say_nothing_is_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(displays, "display", shown.append)
    displays.say("")
    displays.say(*())
    displays.say("One.", "Two.")
    assert [each.data for each in shown] == ["One. Two."]

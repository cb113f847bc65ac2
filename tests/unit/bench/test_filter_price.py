"""The lists whose price is measured, and what is said of it."""

import re

import numpy as np
import pandas as pd
import pytest

from labkit.bench import filter_price as price
from labkit.bench.filter_price import ARGUMENT, CONSTANT, DEFAULT, NONE, listed, measure, treatments
from labkit.errors import LabkitError
from labkit.linux.classic_bpf import action_name, call, evaluate
from labkit.linux.libc import MACHINE
from labkit.plots import filter_price as plot

NATIVE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[MACHINE]


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("rules", [1, 300, 1600])
def test_a_list_allows_the_call_after_all_its_rules(rules, looks):
    program = listed(rules, looks)
    value, steps = evaluate(program, call(39, NATIVE))
    assert action_name(value) == "ALLOW"
    assert steps == rules + (4 if looks else 2)
    # BPF_MAXINSNS
    assert len(program) // 8 <= 4096


def test_only_the_one_that_looks_depends_on_an_argument():
    answers = [evaluate(listed(3, looks), call(39, NATIVE, (0xFFFFFFFF,)))[0] for looks in (False, True)]
    assert [action_name(value) for value in answers] == ["ALLOW", "ERRNO EPERM"]


def test_each_treatment_has_a_name_and_a_length_of_its_own():
    found = treatments((1, 10))
    assert len({one.name for one in found}) == len(found)
    assert {one.kind: one.executed for one in found if one.rules == 10} == {CONSTANT: 12, ARGUMENT: 14}
    assert next(one for one in found if one.kind == DEFAULT).executed > 5


def test_each_block_has_every_treatment_once():
    told = []
    frame = measure(blocks=2, calls=200, lengths=(1, 50), progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)]
    for _, block in frame.groupby("block"):
        assert sorted(block["treatment"]) == sorted(one.name for one in treatments((1, 50)))
        assert sorted(block["position"]) == list(range(len(block)))
    assert (frame["value"] > 0).all()


def frame(costs, blocks=10):
    """Observations where a call takes 100 ns and what `costs` gives for each kind and number of instructions."""
    lengths = (10, 100, 1000)
    rows = [(NONE, NONE, 0, 0.0), (DEFAULT, DEFAULT, 20, 10.0)]
    rows += [(f"{kind}, {n} rules", kind, n, cost(n)) for kind, cost in costs.items() for n in lengths]
    noise = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {
                "treatment": name,
                "kind": kind,
                "call": "getpid",
                "rules": n,
                "executed": n,
                "block": block,
                "position": 0,
            }
            | {"value": (100 + cost) * noise.uniform(0.99, 1.01)}
            for name, kind, n, cost in rows
            for block in range(blocks)
        ]
    )


CACHED = frame({ARGUMENT: lambda n: 2.0 * n, CONSTANT: lambda n: 10.0})
NOT_CACHED = frame({ARGUMENT: lambda n: 2.0 * n, CONSTANT: lambda n: 2.0 * n})


def test_the_sentence_has_the_price_of_an_instruction_and_whether_the_kernel_knows_beforehand():
    text = plot.sentence(CACHED)
    assert re.search(r"an instruction on the way costs (2|2.0\d|1.9\d) ns", text)
    assert "does not run the filter" in text
    assert "this kernel runs the filter for both" in plot.sentence(NOT_CACHED)


def test_the_default_profile_is_compared_with_the_same_call_without():
    row = plot.ratios(CACHED).set_index("runtime").loc[DEFAULT]
    assert row["ratio"] == pytest.approx(1.1, rel=0.02)
    assert row["low"] < row["ratio"] < row["high"]


def test_both_kinds_are_drawn_over_the_instructions():
    (axes,) = plot.filter_price(CACHED).axes
    assert "ns" in axes.get_ylabel()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [ARGUMENT, CONSTANT]


def test_one_length_is_too_few_to_say_anything():
    assert plot.sentence(CACHED[CACHED["executed"] < 100]).startswith("Too few")
    with pytest.raises(LabkitError, match="none was measured"):
        plot.filter_price(CACHED[CACHED["kind"] == NONE])


def test_what_the_price_depends_on_is_told():
    assert set(price.facts()) == {"kernel", "BPF compiled to machine code"}

import os

import pytest

from labkit.errors import LabkitError
from labkit.workloads.probe import table

HEADING = "kind\tarea\tquestion\tanswer\tunit\n"


def written(*rows):
    return HEADING + "".join("\t".join(row) + "\n" for row in rows)


def test_a_row_has_its_area_question_answer_unit_kind_and_verdict():
    frame = table.read(written(("count", "identity", "others", "3", "1")))
    assert list(frame.columns) == list(table.COLUMNS)
    assert frame.loc[0].to_dict() == {
        "area": "identity",
        "question": "others",
        "answer": "3",
        "unit": "1",
        "kind": "count",
        "verdict": "open",
    }


@pytest.mark.parametrize(
    ("kind", "answer", "verdict"),
    [
        ("can", "yes", "open"),
        ("can", "EPERM", "closed"),
        ("can", "empty", "closed"),
        ("can", "SIGSYS", "closed"),
        ("set", "lo eth0", "open"),
        ("set", "", "closed"),
        ("count", "0", "closed"),
        ("level", "2", "closed"),
        ("level", "0", "open"),
        ("level", "", "open"),
        ("namespace", "the host's", "open"),
        ("namespace", "its own", "closed"),
        ("namespace", "ENOENT", "closed"),
        ("fact", "yes", ""),
    ],
)
def test_the_verdict_is_that_of_the_kind(kind, answer, verdict):
    assert table.verdict(kind, answer) == verdict


def test_a_set_of_capabilities_is_given_by_names():
    frame = table.read(written(("mask", "privileges", "effective", f"{1 << 21 | 1:016x}", "")))
    assert frame.loc[0, ["kind", "answer"]].tolist() == ["set", "CAP_CHOWN CAP_SYS_ADMIN"]


def test_a_process_without_a_set_has_no_capability():
    frame = table.read(written(("mask", "privileges", "ambient", "", "")))
    assert frame.loc[0, ["answer", "verdict"]].tolist() == ["", "closed"]


def test_the_namespace_of_who_reads_is_the_hosts():
    own = os.readlink("/proc/self/ns/uts")
    rows = [("namespace", "identity", "uts namespace", answer, "") for answer in (own, "uts:[1]", "ENOENT")]
    assert list(table.read(written(*rows))["answer"]) == ["the host's", "its own", "ENOENT"]


def test_under_another_kernel_no_namespace_is_the_hosts():
    rows = [
        ("namespace", "identity", "uts namespace", os.readlink("/proc/self/ns/uts"), ""),
        ("fact", "kernel", "boot id", "00000000-0000-0000-0000-000000000000", ""),
    ]
    assert table.read(written(*rows)).loc[0, "answer"] == "its own"


def test_a_set_is_in_order_whatever_order_it_was_found_in():
    frame = table.read(written(("set", "devices", "nodes", "zero full null", "")))
    assert frame.loc[0, "answer"] == "full null zero"


@pytest.mark.parametrize("text", ["", HEADING, "exec format error\n", written(("can", "a", "b", "yes", ""))[:-1]])
def test_what_is_no_whole_table_is_refused(text):
    with pytest.raises(LabkitError, match="no whole table"):
        table.read(text)


def tables():
    first = written(("fact", "i", "pid", "1", ""), ("can", "a", "mount", "yes", ""), ("can", "a", "ptrace", "yes", ""))
    return {"host": table.read(first), "runc": table.read(first.replace("mount\tyes", "mount\tEPERM"))}


def test_tables_stand_side_by_side():
    wide = table.side_by_side(tables())
    assert list(wide.columns) == ["area", "question", "host", "runc"]
    assert list(wide["question"]) == ["pid", "mount", "ptrace"]


def test_only_what_differs_and_is_no_mere_fact_can_be_asked_for():
    both = tables()
    both["runc"].loc[0, "answer"] = "7"
    wide = table.side_by_side(both, differing=True)
    assert wide.to_dict("records") == [{"area": "a", "question": "mount", "host": "yes", "runc": "EPERM"}]


def test_verdicts_are_counted_by_area():
    counted = table.counted(tables()["runc"])
    assert counted.to_dict("records") == [{"area": "a", "open": 1, "closed": 1}]


def test_calls_that_were_not_tried_are_not_counted():
    area = table.CALLS
    frame = table.read(
        written(("can", area, "read", "yes", ""), ("can", area, "bpf", "EPERM", ""), ("fact", area, "exit", "not", ""))
    )
    assert table.calls_in_words(frame) == "1 of 2 system calls reach the kernel."

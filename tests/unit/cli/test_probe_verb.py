import pytest

from labkit.cli import probe
from labkit.errors import LabkitError, UsageError
from labkit.workloads.probe import table

HEADING = "kind\tarea\tquestion\tanswer\tunit\n"
ROWS = "count\tidentity\tothers\t0\t1\nfact\tkernel\tclock\t5\ts\ncan\tsystem calls\tread\tyes\t\n"


@pytest.fixture
def frame():
    return table.read(HEADING + ROWS + "can\tsystem calls\tbpf\tEPERM\t\n")


def test_one_table_is_shown_by_area_with_its_verdicts(frame):
    lines = probe.one(frame).splitlines()
    assert lines[:2] == ["Identity", "  closed  others  0"]
    assert "          clock  5 s" in lines


def test_of_the_system_calls_the_refused_are_shown(frame):
    shown = probe.one(frame)
    assert "1 of 2 system calls reach the kernel" in shown
    assert "bpf  EPERM" in shown
    assert "read" not in shown


def test_several_are_shown_where_they_differ_and_who_answers_alike_together(frame):
    other = table.read(HEADING + ROWS + "can\tsystem calls\tbpf\tyes\t\n")
    shown = probe.several({"runc": frame, "crun": frame, "host": other})
    assert "system calls: call bpf\n  runc, crun: EPERM\n  host: yes" in shown
    assert "others" not in shown


@pytest.mark.parametrize("argv", [["more"], ["--nope"], ["--runtime"]])
def test_a_malformed_line_is_a_usage_error(argv):
    with pytest.raises(UsageError):
        probe.main(argv)


def test_a_runtime_that_is_none_is_named():
    with pytest.raises(LabkitError, match="unknown runtime 'rnc'"):
        probe.main(["--runtime", "rnc"])

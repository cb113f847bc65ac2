import os

from labkit.nb import on_the_host
from labkit.nb.on_the_host import Seen
from labkit.runtimes.host_process import HostProcess


def _row(pid, parent, name, part="payload"):
    read = on_the_host.row("x", HostProcess(os.getpid(), part, "cgroup"))
    return read | {"pid": pid, "parent": parent, "process": name}


def test_a_process_is_read_from_procfs():
    row = on_the_host.row("x", HostProcess(os.getpid(), "payload", "cgroup", shared=True))
    assert row["part"] == "payload (shared)"
    assert row["memory"] > 1
    assert row["threads"] >= 1
    assert row["namespaces"] == ""
    assert row["parent"] == os.getppid()


def test_one_that_has_ended_is_told_so():
    row = on_the_host.row("x", HostProcess(2**22 + 1, "payload", "cgroup"))
    assert (row["process"], row["memory"], row["waits_in"]) == ("gone", 0, "")


def test_the_tree_indents_what_a_process_has_made():
    rows = [_row(30, 20, "sleep"), _row(20, 10, "runtime"), _row(40, 1, "shim")]
    names = list(on_the_host.tree(Seen("x", rows=rows))["process"])
    assert names == ["runtime", "└ sleep", "shim"]


def test_the_summary_has_a_row_for_each_runtime_and_the_reason_of_what_is_missing():
    frame = on_the_host.summary([Seen("a", rows=[_row(1, 0, "sleep")], mounts=3), Seen("b", "not installed")])
    assert list(frame["runtime"]) == ["a", "b"]
    assert frame["processes"][0] == 1
    assert frame["not shown, since"].to_list() == ["", "not installed"]
    assert frame["processes"][1] == ""


def test_a_runtime_that_does_not_exist_is_a_reason_and_no_error():
    (seen,) = on_the_host.look(["nothing"], "/")
    assert "unknown runtime" in seen.reason


def test_costs_that_cannot_be_attributed_are_listed_by_runtime():
    frame = on_the_host.costs([Seen("a", unattributed=("x", "y")), Seen("b")])
    assert frame.to_numpy().tolist() == [["a", "x"], ["a", "y"]]

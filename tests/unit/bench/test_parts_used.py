import threading

import pytest

from labkit.bench import usage
from labkit.bench.usage import Part, Watched, between, pause_after, snapshot, watching
from labkit.errors import LabkitError
from labkit.runtimes.host_process import HostProcess


class Seen:
    """A runtime of which only the processes are asked for."""

    def __init__(self, *processes):
        self.processes = list(processes)
        self.looks = 0
        self.looked = threading.Event()

    def host_processes(self, id):
        self.looks += 1
        if self.looks > 1:
            self.looked.set()
        if isinstance(self.processes[0], Exception):
            raise self.processes[0]
        return self.processes


def values(measured):
    return {one.metric: one.value for one in measured}


@pytest.fixture
def figures(monkeypatch):
    """Each process has its pid as its memory and its time, and switches as often."""
    monkeypatch.setattr(usage.host_process, "pss", lambda pid: pid)
    monkeypatch.setattr(usage.host_process, "cpu_seconds", lambda pid: float(pid))
    monkeypatch.setattr(usage, "_switches", lambda pid: (pid, 1))


def test_processes_are_summed_by_role_and_shared_ones_left_out(figures):
    runtime = Seen(
        HostProcess(10, "sentry", ""),
        HostProcess(5, "gofer", ""),
        HostProcess(7, "gofer", ""),
        HostProcess(99, "shim", "", shared=True),
    )
    assert snapshot(runtime, "a") == {"sentry": Part(10, 10.0, 10, 1, 1), "gofer": Part(12, 12.0, 12, 2, 2)}


def test_what_was_used_between_two_looks_is_their_difference_and_memory_that_of_the_later():
    before = {"payload": Part(100, 1.0, 10, 2, 1), "monitor": Part(50, 0.5, 5, 0, 1)}
    after = {"payload": Part(140, 1.75, 30, 3, 2), "monitor": Part(40, 0.5, 9, 0, 1), "gofer": Part(7, 0.25, 1, 1, 1)}
    found = values(between(before, after))
    assert found["cpu_payload"] == 0.75
    assert found["cpu_monitor"] == 0
    assert found["cpu_gofer"] == 0.25
    assert found["memory_payload"] == 140
    assert found["memory"] == 187
    assert found["processes"] == 4
    assert (found["switches_voluntary"], found["switches_involuntary"]) == (25, 2)


def test_a_process_that_ended_in_between_makes_no_figure_negative():
    found = values(between({"payload": Part(1, 9.0, 90, 9, 2)}, {"payload": Part(1, 1.0, 10, 1, 1)}))
    assert min(found.values()) >= 0
    assert found["cpu_payload"] == 0


def test_the_last_look_and_the_most_memory_are_kept_when_all_is_gone(figures):
    watched = Watched()
    runtime = Seen(HostProcess(10, "payload", ""), HostProcess(20, "payload", ""))
    watched.look(runtime, "a")
    runtime.processes = [HostProcess(10, "payload", "")]
    watched.look(runtime, "a")
    runtime.processes = [HostProcess(3, "payload", "", shared=True)]
    watched.look(runtime, "a")
    found = values(watched.measured())
    assert found["memory"] == 30
    assert found["memory_payload"] == 10
    assert found["processes"] == 1


def test_a_sandbox_that_was_gone_before_the_first_look_has_no_figures():
    assert Watched().measured() == []


@pytest.mark.parametrize("error", [LabkitError("no such sandbox", ""), FileNotFoundError(2, "gone")])
def test_a_look_that_fails_is_no_end_of_looking(error, monkeypatch, figures):
    monkeypatch.setattr(usage, "_FIRST", 0.001)
    monkeypatch.setattr(usage, "_NEXT", 0.001)
    runtime = Seen(error)
    with watching(runtime, "a") as watched:
        assert runtime.looked.wait(30)
    assert watched.measured() == []


def test_looks_take_at_most_a_two_hundredth_of_one_core():
    assert pause_after(0.0001) == 1
    assert pause_after(0.02) == pytest.approx(200 * 0.02)

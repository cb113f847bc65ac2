import os
import threading

import pytest

from labkit.cgroups.events import amount, oom_kills, open_oom, ran_out, reason_of_death, refused_forks
from labkit.errors import LabkitError

MIB = 2**20


@pytest.fixture
def v1(tmp_path):
    for folder, kills in ((tmp_path / "own", 1), (tmp_path / "own/below", 2)):
        folder.mkdir()
        (folder / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")
    (tmp_path / "own/memory.limit_in_bytes").write_text(f"{64 * MIB}\n")
    (tmp_path / "own/memory.max_usage_in_bytes").write_text(f"{int(63.9 * MIB)}\n")
    return str(tmp_path / "own")


@pytest.fixture
def v2(tmp_path):
    (tmp_path / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 3\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "pids.events").write_text("max 4\n")
    return str(tmp_path)


def test_v1_counts_kills_in_each_cgroup_for_itself(v1):
    assert oom_kills([v1]) == 3


def test_v2_counts_those_below_with_its_own(v2):
    assert oom_kills(["/nowhere", v2]) == 3


def test_a_kernel_that_does_not_count_is_not_a_kernel_that_did_not_kill(tmp_path):
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\n")
    assert oom_kills([str(tmp_path)]) is None
    assert oom_kills([]) is None


def test_the_reason_of_death_has_limit_and_peak(v1):
    assert reason_of_death([v1]) == "killed: out of memory, limit 64 MiB, peak 63.9 MiB"
    assert reason_of_death([v1], 32 * MIB) == "killed: out of memory, limit 32 MiB, peak 63.9 MiB"


def test_without_a_limit_of_its_own_it_was_the_host_or_a_cgroup_above(v2):
    assert reason_of_death([v2]) == "killed: out of memory"


def test_who_was_not_killed_has_no_reason_of_death(tmp_path):
    (tmp_path / "memory.events").write_text("oom_kill 0\n")
    assert reason_of_death([str(tmp_path)]) is None
    assert reason_of_death([]) is None


def test_forks_that_were_refused(v2):
    assert refused_forks([v2]) == 4
    assert refused_forks([]) is None


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (64 * MIB, "64 MiB"), (int(1.5 * 2**30), "1.5 GiB")],
)
def test_amounts_for_people(number, words):
    assert amount(number) == words


def test_what_cannot_be_watched_is_one_line(v1):
    with pytest.raises(LabkitError, match="cannot be watched") as caught:
        open_oom([])
    assert "'memory'" in str(caught.value)
    # A plain file is no cgroup's: there is nothing to register with.
    with pytest.raises(LabkitError, match=r"cannot be watched: .*cgroup\.event_control"):
        open_oom([v1])


def pipe(data=b""):
    """Stands for the descriptor of open_oom()."""
    reading, writing = os.pipe2(os.O_NONBLOCK)
    os.write(writing, data)
    return reading, writing


def test_v1_is_believed_when_it_tells_once_for_each_kill(v1):
    ends = pipe(b"12345678")
    try:
        assert ran_out(ends[0], [v1], 2)
        assert not ran_out(ends[0], [v1], 2)
        os.write(ends[1], b"12345678")
        assert not ran_out(ends[0], [v1], 3), "the same kill, told again while the process ends"
    finally:
        for end in ends:
            os.close(end)


def test_v1_tells_before_it_counts(v1):
    ends = pipe(b"12345678")
    path = f"{v1}/memory.oom_control"
    killing = threading.Timer(0.05, lambda: write(path, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"))
    killing.start()
    try:
        assert ran_out(ends[0], [v1], 3)
    finally:
        killing.join()
        for end in ends:
            os.close(end)


def test_v1_is_believed_where_it_may_not_kill(v1):
    ends = pipe(b"12345678")
    write(f"{v1}/memory.oom_control", "oom_kill_disable 1\nunder_oom 1\noom_kill 1\n")
    try:
        assert ran_out(ends[0], [v1], 3)
    finally:
        for end in ends:
            os.close(end)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def test_v1_is_not_believed_once_its_cgroup_is_gone(tmp_path):
    ends = pipe(b"12345678")
    try:
        assert not ran_out(ends[0], [str(tmp_path / "gone")], 0)
    finally:
        for end in ends:
            os.close(end)


def test_v2_tells_of_more_than_kills_so_that_the_count_decides(v2):
    ends = pipe(b"an inotify event")
    try:
        assert not ran_out(ends[0], [v2], 3)
        assert ran_out(ends[0], [v2], 2)
    finally:
        for end in ends:
            os.close(end)

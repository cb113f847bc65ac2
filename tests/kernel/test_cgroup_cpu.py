"""Limits of CPU time, seen to bite, and not before."""

import os
import select

import pytest

from labkit.cgroups import statistics
from labkit.cgroups.detect import detect
from labkit.errors import StepError
from labkit.spec.model import Cpu, Scheduler

pytestmark = pytest.mark.root

FIFO = Scheduler(policy="SCHED_FIFO", priority=1)
# As many shares as there can be: what else the host does shall not keep a loop from its quota.
ALL = 262_144
BUSY = "timeout 3 sh -c 'while :; do :; done'"


def used(cgroups):
    return statistics.read(cgroups)["cpu"]["usage"]["total"]


def test_a_quota_of_half_a_cpu_is_half_a_cpu(limited, talk, folders, need, line):
    need("cpu")
    script = "timeout 2 sh -c 'while :; do :; done'; echo over; read go"
    with limited(script, cpu=Cpu(quota=50_000, period=100_000, shares=ALL)) as container:
        _, stdout = talk(container)
        assert line(stdout) == "over"
        cpu = statistics.read(folders(container))["cpu"]
    # Both are the kernel's own counts, so that what else the host does is left out.
    periods = cpu["throttling"]["periods"]
    assert periods >= 15
    assert 0.45 <= cpu["usage"]["total"] / (periods * 100_000_000) <= 0.55
    assert cpu["throttling"]["throttledPeriods"] >= periods // 2


def test_a_cpuset_keeps_threads_on_its_cpu(limited, need):
    need("cpuset")
    last = max(os.sched_getaffinity(0))
    script = "grep Cpus_allowed_list /proc/self/status; taskset 1 true || taskset 2 true; nproc"
    with limited(script, cpu=Cpu(cpus=str(last))) as container:
        assert container.run(timeout=60).text.split() == ["Cpus_allowed_list:", str(last), "1"]


@pytest.mark.parametrize(("shares", "weight"), [(512, "20"), (2, "1"), (262_144, "10000")])
def test_shares_are_the_weight_that_the_field_makes_of_them(limited, need, folders, setting, shares, weight):
    need("cpu")
    with limited("sleep 60", cpu=Cpu(shares=shares)).start() as container:
        wanted = str(shares) if detect().of("cpu").version == 1 else weight
        assert setting(folders(container), "cpu.shares", "cpu.weight") == wanted


def contend(containers, talk, line, folders):
    """Have two be busy at once on one CPU until the first has used one second more; returns what each has meanwhile."""
    streams = [talk(container) for container in containers]
    for _, stdout in streams:
        assert line(stdout) == "ready"
    for stdin, _ in streams:
        os.write(stdin, b"\n")
    cgroups = [folders(container) for container in containers]
    before = [used(each) for each in cgroups]
    while used(cgroups[0]) < before[0] + 10**9:
        assert not select.select([stdout for _, stdout in streams], [], [], 0.05)[0], "one has ended"
    return [used(each) - at_first for each, at_first in zip(cgroups, before, strict=True)]


@pytest.mark.parametrize(
    ("much", "little", "least", "most"),
    [(Cpu(shares=1024), Cpu(shares=256), 2.5, 6), (Cpu(), Cpu(idle=1), 7, float("inf"))],
    ids=["shares", "idle"],
)
def test_time_is_divided_by_weight_where_it_is_contended(limited, need, folders, talk, line, much, little, least, most):
    need("cpu")
    if little.idle and not os.path.exists(f"{detect().of('cpu').path}/cpu.idle") and detect().of("cpu").version == 1:
        pytest.skip("this kernel has no cpu.idle")
    much.cpus = little.cpus = str(max(os.sched_getaffinity(0)))
    script = "echo ready; read go; timeout 60 sh -c 'while :; do :; done'; echo over"
    with limited(script, cpu=much) as first, limited(script, cpu=little) as second:
        taken = contend([first, second], talk, line, folders)
    assert least * taken[1] <= taken[0] <= most * max(taken[1], 1)


@pytest.mark.parametrize("burst", [0, 40_000])
def test_what_a_pause_saved_is_spent_in_a_burst(limited, need, folders, talk, line, burst):
    need("cpu")
    script = f"echo ready; sleep 1; {BUSY}; echo over; read go"
    with limited(script, cpu=Cpu(quota=50_000, period=100_000, burst=burst, shares=ALL)) as container:
        _, stdout = talk(container)
        assert line(stdout) == "ready"
        assert line(stdout) == "over"
        stat = next(f"{f}/cpu.stat" for f in folders(container) if "nr_throttled" in read(f"{f}/cpu.stat"))
        counts = dict(entry.split() for entry in read(stat).splitlines())
    if "nr_bursts" not in counts:
        pytest.skip("this kernel has no bursts")
    assert (int(counts["nr_bursts"]) > 0) == bool(burst)


def test_real_time_needs_a_budget_and_a_budget_is_enough(limited):
    cpu = detect().of("cpu")
    if cpu is None or not os.path.exists(f"{cpu.path}/cpu.rt_runtime_us"):
        pytest.skip("this kernel has no real-time budget for each cgroup (CONFIG_RT_GROUP_SCHED)")
    taken = sum(int(read(entry.path + "/cpu.rt_runtime_us")) for entry in os.scandir(cpu.path) if entry.is_dir())
    if taken + 10_000 > int(read(f"{cpu.path}/cpu.rt_runtime_us")):
        pytest.skip(f"other cgroups in {cpu.path} have all of its real-time budget")
    container = limited("echo real", cpu=Cpu(realtime_period=1_000_000, realtime_runtime=10_000), scheduler=FIFO)
    assert container.run(timeout=60).text == "real\n"
    with pytest.raises(StepError, match=r"SetScheduler.*not permitted"):
        limited("echo real", scheduler=FIFO).run(timeout=60)


def read(path):
    try:
        with open(path) as text:
            return text.read().strip()
    except FileNotFoundError:
        return ""


def test_pressure_grows_where_two_want_one_cpu(limited, need, folders, talk, line):
    need("cpu", version=2)
    script = f"echo ready; read go; {BUSY} & {BUSY}; echo over; read go"
    with limited(script, cpu=Cpu(cpus=str(max(os.sched_getaffinity(0))))) as container:
        stdin, stdout = talk(container)
        assert line(stdout) == "ready"
        before = statistics.read(folders(container))["cpu"].get("psi")
        if before is None:
            pytest.skip("this kernel does not measure pressure")
        os.write(stdin, b"\n")
        assert line(stdout) == "over"
        # Each waits for half of the time; in microseconds.
        assert statistics.read(folders(container))["cpu"]["psi"]["some"]["total"] > before["some"]["total"] + 500_000

"""A running container changed, frozen, killed and measured through its cgroups."""

import json
import math
import os
import select
import shutil
import subprocess
import threading

import pytest

from labkit import Container
from labkit.cgroups import freeze, processes, statistics
from labkit.cgroups.detect import detect
from labkit.cgroups.sample import QUANTITIES, Sampler
from labkit.cgroups.update import update
from labkit.engine.configure import configure
from labkit.errors import LabkitError, SpecError
from labkit.linux.cgroupfs import remove_cgroup
from labkit.spec.model import Cpu, Memory, Pids, Resources

pytestmark = pytest.mark.root

MIB = 2**20
SIGTERM, SIGKILL = 15, 9


@pytest.fixture
def sleeping(rootfs, folders):
    """A container that sleeps, limited in every way, and its cgroups."""
    with Container(rootfs, ["sleep", "60"], memory="64M", cpus=0.5, pids=20).start() as container:
        yield container, folders(container)


def test_memory_limits_rise_and_fall_whatever_the_order(sleeping, kept):
    _, cgroups = sleeping
    for limit, swap in ((128, 128), (32, 32), (40, 60), (100, 100)):
        update(cgroups, Resources(memory=Memory(limit=limit * MIB, swap=swap * MIB)))
        assert (kept(cgroups)["memory"], kept(cgroups)["swap"]) == (limit * MIB, swap * MIB)
    update(cgroups, Resources(memory=Memory(limit=-1)))
    assert (kept(cgroups)["memory"], kept(cgroups)["swap"]) == (math.inf, math.inf)


def test_a_burst_and_its_quota_rise_and_fall_whatever_the_order(sleeping, kept):
    _, cgroups = sleeping
    for quota, period, burst in ((10_000, 20_000, 0), (40_000, 50_000, 30_000), (2_000, 10_000, 1_000)):
        update(cgroups, Resources(cpu=Cpu(quota=quota, period=period, burst=burst)))
        found = kept(cgroups)
        assert (found["quota"], found["period"], found["burst"]) == (quota, period, burst)


def test_a_new_limit_bites_at_once(rootfs, folders):
    theirs, stdin = os.pipe()
    stderr = os.open(os.devnull, os.O_WRONLY)
    try:
        with Container(rootfs, ["sh", "-c", "read go; (true); exit 0"], pids=20).start(
            theirs, stderr, stderr
        ) as container:
            update(folders(container), Resources(pids=Pids(limit=1)))
            os.write(stdin, b"\n")
            assert container.wait(30) != 0
    finally:
        for descriptor in (theirs, stdin, stderr):
            os.close(descriptor)


def test_when_one_limit_is_refused_none_is_changed(sleeping, kept):
    _, cgroups = sleeping
    before = kept(cgroups)
    bad = Resources(memory=Memory(limit=80 * MIB, swap=90 * MIB), cpu=Cpu(quota=5000, mems="60"))
    with pytest.raises(LabkitError, match=r"cpuset\.mems cannot be set to 60") as caught:
        update(cgroups, bad)
    assert "\n" not in str(caught.value)
    assert kept(cgroups) == before


def test_a_limit_below_what_is_in_use_is_refused_before_anything_is_written(sleeping):
    _, cgroups = sleeping
    memory = Memory(limit=4096, swap=-1, check_before_update=True)
    with pytest.raises(LabkitError, match=r"memory\.limit cannot be set to 4096"):
        update(cgroups, Resources(memory=memory))


def test_what_contradicts_itself_is_refused(sleeping):
    with pytest.raises(SpecError, match="burst"):
        update(sleeping[1], Resources(cpu=Cpu(quota=5000, burst=9000)))


def test_a_frozen_container_does_nothing_until_it_goes_on(rootfs, folders):
    theirs_in, stdin = os.pipe()
    stdout, theirs_out = os.pipe()
    try:
        with Container(rootfs, ["cat"]).start(theirs_in, theirs_out) as container:
            cgroups = folders(container)
            os.write(stdin, b"a")
            assert select.select([stdout], [], [], 30)[0]
            os.read(stdout, 1)
            freeze.pause(cgroups)
            assert freeze.is_frozen(cgroups)
            os.write(stdin, b"b")
            assert not select.select([stdout], [], [], 0.2)[0]
            freeze.resume(cgroups)
            assert not freeze.is_frozen(cgroups)
            assert select.select([stdout], [], [], 30)[0]
            assert os.read(stdout, 1) == b"b"
    finally:
        for descriptor in (theirs_in, stdin, stdout, theirs_out):
            os.close(descriptor)


def test_a_container_that_forks_all_the_time_can_be_frozen(rootfs, folders):
    with Container(rootfs, ["sh", "-c", "while :; do true & wait; done"], pids=50).start() as container:
        freeze.pause(folders(container))
        before = processes.pids(folders(container))
        assert container.pid in before
        assert processes.pids(folders(container)) == before
        freeze.resume(folders(container))


def test_v2_freezes_too(v2_cgroup, inside):
    cat = inside(v2_cgroup, "cat", stdin=-1, stdout=-1)
    cat.stdin.write(b"a")
    cat.stdin.flush()
    assert cat.stdout.read(1) == b"a"
    freeze.pause([v2_cgroup])
    assert freeze.is_frozen([v2_cgroup])
    cat.stdin.write(b"b")
    cat.stdin.flush()
    assert not select.select([cat.stdout], [], [], 0.2)[0]
    freeze.resume([v2_cgroup])
    assert cat.stdout.read(1) == b"b"


@pytest.mark.parametrize("frozen", [False, True])
def test_every_process_is_killed_frozen_or_not(rootfs, folders, frozen):
    script = "trap '' TERM; for i in 1 2 3; do sh -c 'trap \"\" TERM; while :; do sleep 60; done' & done; echo; wait"
    stdout, theirs = os.pipe()
    try:
        with Container(rootfs, ["sh", "-c", script]).start(stdout=theirs) as container:
            cgroups = folders(container)
            assert select.select([stdout], [], [], 30)[0]
            if frozen:
                freeze.pause(cgroups)
            processes.kill_all(cgroups, SIGTERM)
            assert freeze.is_frozen(cgroups) == frozen
            assert len(processes.pids(cgroups)) >= 4
            processes.kill_all(cgroups, SIGKILL)
            assert container.wait(30) == 128 + SIGKILL
            assert processes.pids(cgroups) == []
            processes.kill_all(cgroups, SIGKILL)
    finally:
        os.close(stdout)
        os.close(theirs)


def test_v2_kills_all_at_once(v2_cgroup, inside):
    os.mkdir(f"{v2_cgroup}/below")
    both = [inside(v2_cgroup, "sleep", "60"), inside(f"{v2_cgroup}/below", "sleep", "60")]
    while len(processes.pids([v2_cgroup])) < 2:
        assert all(process.poll() is None for process in both)
    processes.kill_all([v2_cgroup], SIGKILL)
    assert [process.wait(30) for process in both] == [-SIGKILL, -SIGKILL]


def test_cgroups_that_are_gone_are_one_line():
    gone = ["/sys/fs/cgroup/no-such-tree/labkit-gone"]
    for call in (freeze.pause, freeze.resume, lambda folders: update(folders, Resources(pids=Pids(limit=5)))):
        with pytest.raises(LabkitError, match="is gone"):
            call(gone)
    assert processes.pids(gone) == []


def shape(value):
    """The names and types of a JSON value, but for those below `raw`, which are the kernel's."""
    if isinstance(value, dict):
        return {name: "raw" if name == "raw" else shape(one) for name, one in value.items()}
    return "number" if isinstance(value, int | float) else type(value).__name__


def covers(ours, theirs, path=""):
    for name, one in theirs.items():
        assert name in ours, f"{path}/{name}"
        if isinstance(one, dict):
            covers(ours[name], one, f"{path}/{name}")
        else:
            assert ours[name] == one, f"{path}/{name}"


def test_statistics_have_the_names_that_runc_gives_them(rootfs, tmp_path):
    if shutil.which("runc") is None:
        pytest.skip("runc is not installed")
    spec = configure(str(rootfs), ["sleep", "60"], memory="64M", pids=20)
    name = f"labkit-test-{os.getpid()}"
    spec.linux.cgroups_path = f"/{name}"
    (tmp_path / "config.json").write_text(json.dumps(spec.dump()))
    runc = ["runc", "--root", str(tmp_path / "runc")]
    quiet = {"stdin": -3, "stdout": -3, "stderr": -3, "timeout": 30}
    subprocess.run([*runc, "run", "-d", "--bundle", str(tmp_path), name], check=True, **quiet)
    try:
        cgroups = [f"{h.mount}/{name}" for h in detect().hierarchies if os.path.isdir(f"{h.mount}/{name}")]
        ours = statistics.read(cgroups)
        text = subprocess.run([*runc, "events", "--stats", name], check=True, capture_output=True, timeout=30).stdout
        theirs = json.loads(text)["data"]
        covers(shape(ours), shape(theirs))
        same = [("memory", "usage", "limit"), ("pids", "limit"), ("pids", "current")]
        if detect().mode != "v2":  # where runc tells nothing of cpusets
            same.append(("cpuset", "cpus"))
        for keys in same:
            one, other = ours, theirs
            for key in keys:
                one, other = one[key], other[key]
            assert one == other
        assert ours["memory"]["raw"].keys() == theirs["memory"]["raw"].keys()
    finally:
        subprocess.run([*runc, "delete", "--force", name], **quiet)


def test_statistics_count_what_was_used(rootfs, folders):
    stdout, theirs = os.pipe()
    script = "dd if=/dev/zero of=/dev/null bs=20M count=20 2>/dev/null; echo; sleep 60"
    try:
        with Container(rootfs, ["sh", "-c", script], memory="64M").start(stdout=theirs) as container:
            before = statistics.read(folders(container))
            assert select.select([stdout], [], [], 30)[0]
            after = statistics.read(folders(container))
    finally:
        os.close(stdout)
        os.close(theirs)
    assert after["cpu"]["usage"]["total"] > before["cpu"]["usage"]["total"]
    assert 20 * MIB <= after["memory"]["usage"]["max"] <= 64 * MIB == after["memory"]["usage"]["limit"]
    assert after["pids"]["current"] in (1, 2)


def test_pressure_is_told_where_the_kernel_measures_it(v2_cgroup):
    if not os.path.exists(f"{v2_cgroup}/cpu.pressure"):
        pytest.skip("this kernel does not measure pressure")
    psi = statistics.read([v2_cgroup])["memory"]["psi"]
    assert psi["some"].keys() == psi["full"].keys() == {"avg10", "avg60", "avg300", "total"}


def test_a_frozen_container_can_be_deleted(rootfs, folders):
    with Container(rootfs, ["sleep", "60"]).start() as container:
        cgroups = folders(container)
        freeze.pause(cgroups)
        container.kill()
        assert container.wait(30) == 128 + SIGKILL
    assert not any(os.path.exists(folder) for folder in cgroups)


def test_a_frozen_cgroup_can_be_removed(rootfs, folders):
    freezer = detect().of("freezer")
    if freezer is None:
        pytest.skip("this host has no v1 freezer")
    folder = f"{freezer.path}/labkit-test-{os.getpid()}"
    os.mkdir(folder)
    with subprocess.Popen(["sleep", "60"]) as process:
        with open(f"{folder}/cgroup.procs", "w") as members:
            members.write(str(process.pid))
        freeze.pause([folder])
        remover = threading.Thread(target=remove_cgroup, args=(folder,))
        remover.start()
        # It leaves its cgroup only once it is reaped.
        assert process.wait(30) == -SIGKILL
        remover.join(30)
    assert not os.path.exists(folder)


def test_a_sample_says_the_same_as_the_statistics(sleeping):
    _, cgroups = sleeping
    with Sampler(cgroups) as sampler:
        assert sampler.read().keys() == set(QUANTITIES)
        freeze.pause(cgroups)
        # Frozen, it uses no time; memory is still given back in batches.
        sample, whole = sampler.read(), statistics.read(cgroups)
        freeze.resume(cgroups)
    assert sample["cpu_ns"] == whole["cpu"]["usage"]["total"]
    assert 0 < sample["memory_bytes"] <= whole["memory"]["usage"]["limit"]
    assert sample["pids"] == whole["pids"]["current"] == 1


def test_a_sampler_outlives_its_container(rootfs, folders):
    with Container(rootfs, ["sleep", "60"]).start() as container:
        sampler = Sampler(folders(container))
        assert sampler.read()["pids"] == 1
    with sampler:
        assert sampler.read() == {}

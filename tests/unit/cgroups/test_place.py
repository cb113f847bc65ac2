"""Placement on trees of plain files: planning only reads them."""

import pytest

from labkit.cgroups.detect import Hierarchy, Layout
from labkit.cgroups.devices import program
from labkit.cgroups.place import place
from labkit.errors import LabkitError, SpecError
from labkit.plan.cgroup import AttachDeviceProgram, HandDown, WriteEitherCgroup
from labkit.plan.parent import CloneIntoCgroup, InheritCpuset, MakeCgroup, MakeParentCgroup, WriteCgroup
from labkit.plan.process import JoinCgroup
from labkit.spec.model import BlockIo, Cpu, DeviceRule, HugepageLimit, Memory, Pids, Resources, Throttle

FILES = {"memory": ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"], "pids": ["pids.max"]}
CPUSET = ("cpuset.cpus", "cpuset.mems")
LIMITED = Resources(memory=Memory(limit=2**26), pids=Pids(limit=8))


@pytest.fixture
def v1(tmp_path):
    for name in ("memory", "pids", "cpuset", "systemd"):
        (tmp_path / name / "own").mkdir(parents=True)
        for folder in (tmp_path / name, tmp_path / name / "own"):
            for file in FILES.get(name, ()):
                (folder / file).touch()
    return Layout(
        Hierarchy(1, str(tmp_path / name), str(tmp_path / name / "own"), (controller,))
        for name, controller in (
            ("memory", "memory"),
            ("pids", "pids"),
            ("cpuset", "cpuset"),
            ("systemd", "name=systemd"),
        )
    )


def cgroup2(folder, controllers="cpu memory pids", handed="", procs="", root=False):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.controllers").write_text(controllers + "\n")
    (folder / "cgroup.subtree_control").write_text(handed + "\n")
    (folder / "cgroup.procs").write_text(procs)
    if not root:
        (folder / "cgroup.type").write_text("domain\n")
    return folder


def files(placement):
    return [getattr(step, "file", "") for step in placement.before]


def layout2(mount, own):
    return Layout([Hierarchy(2, str(mount), str(own), ("cpu", "memory", "pids"))])


def test_v1_goes_below_the_callers_own_cgroup(v1, tmp_path):
    found = place(LIMITED, "", "abc", v1)
    assert found.folders == [f"{tmp_path}/{name}/own/labkit-abc" for name in ("memory", "pids", "cpuset")]
    assert WriteCgroup(f"{tmp_path}/pids/own/labkit-abc/pids.max", "8", "") not in found.before
    assert f"{tmp_path}/pids/own/labkit-abc/pids.max" in [getattr(step, "file", "") for step in found.before]
    assert InheritCpuset(CPUSET, True, f"{tmp_path}/cpuset/own/labkit-abc") in found.before
    assert found.child == [JoinCgroup(folder) for folder in found.folders]


def test_an_absolute_path_counts_from_the_root_and_its_way_is_shared(v1, tmp_path):
    found = place(Resources(), "/lab/one/abc", "abc", v1)
    assert found.folders[0] == f"{tmp_path}/memory/lab/one/abc"
    assert found.parents[:2] == [f"{tmp_path}/memory/lab", f"{tmp_path}/memory/lab/one"]
    assert MakeParentCgroup(f"{tmp_path}/memory/lab") in found.before
    assert MakeCgroup(f"{tmp_path}/memory/lab") not in found.before
    # A cpuset on the way is as empty as the last.
    assert InheritCpuset(CPUSET, False, f"{tmp_path}/cpuset/lab") in found.before


def test_what_a_limit_sets_is_written_once_and_what_a_new_cgroup_has_not_at_all(v1, tmp_path):
    layout = Layout([*v1.hierarchies, Hierarchy(1, str(tmp_path / "cpu"), str(tmp_path / "cpu"), ("cpu",))])
    for file in ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "cpuset/own/cpuset.cpus"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    wanted = Resources(cpu=Cpu(period=100_000, quota=5000, cpus="1"))
    names = [file.rpartition("/")[2] for file in files(place(wanted, "", "abc", layout))]
    assert [name for name in names if name] == ["cpuset.cpus", "cpu.cfs_quota_us"]
    cpuset = f"{tmp_path}/cpuset/own/labkit-abc"
    assert InheritCpuset(("cpuset.mems",), True, cpuset) in place(wanted, "", "abc", layout).before
    # One that somebody else has made may have another period.
    (tmp_path / "cpu/labkit-abc").mkdir()
    (tmp_path / "cpu/labkit-abc/cgroup.procs").touch()
    assert f"{tmp_path}/cpu/labkit-abc/cpu.cfs_period_us" in files(place(wanted, "", "abc", layout))


def test_device_rules_of_v1_are_one_step(tmp_path):
    tree = Hierarchy(1, str(tmp_path), str(tmp_path), ("devices",))
    rules = (DeviceRule(allow=True, kind="c", major=9, access="r"), DeviceRule(allow=False), DeviceRule(allow=True))
    step = next(s for s in place(Resources(devices=rules), "", "abc", Layout([tree])).before if s.call == "write")
    # The last that is for everything is all that counts.
    assert step.rules[:2] == (("devices.allow", "a"), ("devices.allow", "c *:* m"))
    assert "c 9" not in step.describe()


def test_a_parent_that_is_there_is_not_the_containers_to_remove(v1, tmp_path):
    (tmp_path / "memory/lab").mkdir()
    assert f"{tmp_path}/memory/lab" not in place(Resources(), "/lab/abc", "abc", v1).parents


def test_a_path_that_climbs_out_is_refused(v1):
    with pytest.raises(LabkitError, match="climbs out"):
        place(Resources(), "../other", "abc", v1)


def test_a_limit_without_its_controller_is_an_error_and_never_silence(tmp_path):
    layout = Layout([Hierarchy(1, str(tmp_path), str(tmp_path), ("memory",))])
    with pytest.raises(LabkitError, match=r"pids\.max") as caught:
        place(LIMITED, "", "abc", layout)
    assert "doctor" in caught.value.hint


def test_on_v2_the_process_is_born_in_its_cgroup(tmp_path):
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    found = place(LIMITED, "", "abc", layout2(tmp_path, tmp_path))
    assert found.folders == [f"{tmp_path}/labkit-abc"]
    assert found.before[-1] == CloneIntoCgroup(f"{tmp_path}/labkit-abc")
    assert found.child == []


def test_on_v2_controllers_are_handed_down_where_that_is_allowed(tmp_path):
    cgroup2(tmp_path, handed="cpu", procs="1\n", root=True)
    first = place(LIMITED, "", "abc", layout2(tmp_path, tmp_path)).before[0]
    assert (first.file, first.value) == (f"{tmp_path}/cgroup.subtree_control", "+memory +pids")


def test_on_v2_alone_every_controller_is_handed_down_for_later_updates(tmp_path):
    cgroup2(tmp_path, controllers="cpuset cpu hugetlb memory pids", root=True)
    found = place(LIMITED, "/lab/abc", "abc", layout2(tmp_path, tmp_path)).before
    handed = [(step.file, step.value, step.needed) for step in found if isinstance(step, HandDown)]
    everything = "+cpu +cpuset +hugetlb +memory +pids", ("memory", "pids")
    assert handed == [(f"{tmp_path}{folder}/cgroup.subtree_control", *everything) for folder in ("", "/lab")]


def test_beside_v1_only_what_a_limit_needs_is_handed_down(v1, tmp_path):
    unified = cgroup2(tmp_path / "unified", controllers="hugetlb io misc", root=True)
    layout = Layout([*v1.hierarchies, Hierarchy(2, str(unified), str(unified), ("hugetlb", "io", "misc"))])
    (step,) = [step for step in place(DISK, "", "abc", layout).before if isinstance(step, HandDown)]
    assert step.value == "+io"


def test_what_is_not_delegated_is_not_asked_for(tmp_path):
    cgroup2(tmp_path, controllers="cpuset cpu memory pids", handed="memory pids", root=True)
    own = cgroup2(tmp_path / "user", controllers="memory pids")
    (step,) = [one for one in place(LIMITED, "", "abc", layout2(tmp_path, own)).before if isinstance(one, HandDown)]
    assert (step.file, step.value) == (f"{own}/cgroup.subtree_control", "+memory +pids")


def test_on_v2_a_cgroup_with_processes_is_passed_over_for_its_ancestor(tmp_path):
    """No internal processes (cgroup-v2.rst): a login's scope has some, the slice above it none."""
    cgroup2(tmp_path, root=True, handed="memory pids")
    cgroup2(tmp_path / "user.slice", handed="memory pids")
    scope = cgroup2(tmp_path / "user.slice/session.scope", controllers="memory pids", procs="77\n")
    assert place(LIMITED, "", "abc", layout2(tmp_path, scope)).folders == [f"{tmp_path}/user.slice/labkit-abc"]


def test_on_v2_without_limits_the_callers_own_cgroup_will_do(tmp_path):
    cgroup2(tmp_path, root=True)
    scope = cgroup2(tmp_path / "session.scope", procs="77\n")
    assert place(Resources(), "", "abc", layout2(tmp_path, scope)).folders == [f"{scope}/labkit-abc"]


def test_on_v2_a_path_of_several_folders_hands_controllers_down_all_the_way(tmp_path):
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    found = place(LIMITED, "/lab/abc", "abc", layout2(tmp_path, tmp_path))
    files = [getattr(step, "file", "") for step in found.before]
    assert f"{tmp_path}/lab/cgroup.subtree_control" in files
    assert f"{tmp_path}/lab/abc/memory.max" in files


def test_hybrid_uses_each_controller_where_it_is(tmp_path):
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory/memory.limit_in_bytes").touch()
    unified = cgroup2(tmp_path / "unified", controllers="pids", handed="pids", root=True)
    layout = Layout(
        [
            Hierarchy(1, str(tmp_path / "memory"), str(tmp_path / "memory"), ("memory",)),
            Hierarchy(2, str(unified), str(unified), ("pids",)),
        ]
    )
    found = place(LIMITED, "", "abc", layout)
    assert found.folders == [f"{tmp_path}/memory/labkit-abc", f"{unified}/labkit-abc"]
    assert f"{unified}/labkit-abc/pids.max" in [getattr(step, "file", "") for step in found.before]


def test_hybrid_leaves_a_unified_tree_without_controllers_alone(v1, tmp_path):
    layout = Layout([*v1.hierarchies, Hierarchy(2, str(tmp_path), str(tmp_path), ())])
    assert str(tmp_path / "labkit-abc") not in place(LIMITED, "", "abc", layout).folders


@pytest.fixture
def not_writable(monkeypatch):
    """root may write everywhere, so what an ordinary user may is said here."""
    monkeypatch.setattr("labkit.cgroups.place.os.access", lambda path, mode: False)


@pytest.mark.usefixtures("not_writable")
def test_limits_that_an_ordinary_user_cannot_set_are_an_error(v1, tmp_path):
    with pytest.raises(LabkitError, match="not delegated") as caught:
        place(LIMITED, "", "abc", v1)
    assert "systemd-run" in caught.value.hint
    cgroup2(tmp_path / "two", root=True)
    with pytest.raises(LabkitError, match="not delegated"):
        place(LIMITED, "", "abc", layout2(tmp_path / "two", tmp_path / "two"))


@pytest.mark.usefixtures("not_writable")
def test_without_limits_an_ordinary_user_has_no_cgroup_and_one_note(v1, tmp_path):
    found = place(Resources(), "", "abc", v1)
    assert found.folders == found.before == []
    assert len(found.notes) == 1
    cgroup2(tmp_path / "two", root=True)
    assert len(place(Resources(), "", "abc", layout2(tmp_path / "two", tmp_path / "two")).notes) == 1


DISK = Resources(block_io=BlockIo(weight=500))


def test_a_file_that_the_kernel_lacks_is_an_error_before_anything_is_made(tmp_path):
    layout = Layout([Hierarchy(1, str(tmp_path), str(tmp_path), ("blkio",))])
    with pytest.raises(LabkitError, match=r"blkio\.weight cannot be set: the controller 'blkio'"):
        place(DISK, "", "abc", layout)


def test_a_weight_goes_to_the_file_that_is_there(tmp_path):
    (tmp_path / "blkio.bfq.weight").touch()
    layout = Layout([Hierarchy(1, str(tmp_path), str(tmp_path), ("blkio",))])
    assert f"{tmp_path}/labkit-abc/blkio.bfq.weight" in files(place(DISK, "", "abc", layout))


def test_in_the_root_cgroup_which_file_is_there_shows_only_when_it_is_written(tmp_path):
    (tmp_path / "release_agent").touch()
    layout = Layout([Hierarchy(1, str(tmp_path), str(tmp_path), ("blkio",))])
    folder = f"{tmp_path}/labkit-abc"
    step = next(step for step in place(DISK, "", "abc", layout).before if isinstance(step, WriteEitherCgroup))
    assert (step.file, step.other_file) == (f"{folder}/blkio.weight", f"{folder}/blkio.bfq.weight")


def test_disks_that_are_on_v2_alone_are_limited_there(v1, tmp_path):
    unified = cgroup2(tmp_path / "unified", controllers="io", handed="io", root=True)
    layout = Layout([*v1.hierarchies, Hierarchy(2, str(unified), str(unified), ("io",))])
    assert f"{unified}/labkit-abc/io.bfq.weight" in files(place(DISK, "", "abc", layout))


UNIFIED = Resources(unified={"memory.high": "1000", "io.max": "8:0 rbps=1\n8:16 rbps=2"})


def test_unified_files_are_written_as_given_line_by_line(tmp_path):
    cgroup2(tmp_path, controllers="io memory", handed="io memory", root=True)
    layout = Layout([Hierarchy(2, str(tmp_path), str(tmp_path), ("io", "memory"))])
    written = [(s.file, s.value) for s in place(UNIFIED, "", "abc", layout).before if isinstance(s, WriteCgroup)]
    folder = f"{tmp_path}/labkit-abc"
    assert written == [
        (f"{folder}/memory.high", "1000"),
        (f"{folder}/io.max", "8:0 rbps=1"),
        (f"{folder}/io.max", "8:16 rbps=2"),
    ]


def test_unified_without_a_v2_tree_or_its_controller_points_to_its_place(v1, tmp_path):
    for layout in (v1, Layout([*v1.hierarchies, Hierarchy(2, str(tmp_path), str(tmp_path), ("hugetlb",))])):
        with pytest.raises(SpecError) as caught:
            place(UNIFIED, "", "abc", layout)
        assert caught.value.pointer == "/linux/resources/unified/memory.high"


@pytest.mark.parametrize(
    ("pointer", "resources"),
    [
        ("memory/disableOOMKiller", Resources(memory=Memory(disable_oom_killer=True))),
        ("cpu/realtimeRuntime", Resources(cpu=Cpu(realtime_runtime=1))),
        ("blockIO/leafWeight", Resources(block_io=BlockIo(leaf_weight=10))),
        ("blockIO/throttleReadBpsDevice/0", Resources(block_io=BlockIo(read_bps=(Throttle(major=4000, rate=1),)))),
        ("hugepageLimits/0/pageSize", Resources(hugepages=(HugepageLimit(page_size="3KB", limit=1),))),
    ],
)
def test_what_the_host_cannot_keep_points_to_its_place(pointer, resources, tmp_path):
    cgroup2(tmp_path, root=True)
    layout = Layout([Hierarchy(2, str(tmp_path), str(tmp_path), ("cpu", "io", "hugetlb", "memory"))])
    with pytest.raises(SpecError) as caught:
        place(resources, "", "abc", layout)
    assert caught.value.pointer == f"/linux/resources/{pointer}"


def test_what_the_kernel_counts_otherwise_is_a_note(v1):
    assert "memory.kernel is" in place(Resources(memory=Memory(kernel=5)), "", "abc", v1).notes[0]


def test_the_buffers_of_tcp_are_limited_where_the_kernel_has_the_file(v1):
    wanted = Resources(memory=Memory(kernel_tcp=5))
    folder = v1.of("memory").path
    without = place(wanted, "", "abc", v1)
    assert any("kernelTCP" in note for note in without.notes)
    assert not any(isinstance(step, WriteCgroup) for step in without.before)
    with open(f"{folder}/memory.kmem.tcp.limit_in_bytes", "w"):
        pass
    steps = [step for step in place(wanted, "", "abc", v1).before if isinstance(step, WriteCgroup)]
    assert [(step.file.rpartition("/")[2], step.value) for step in steps] == [("memory.kmem.tcp.limit_in_bytes", "5")]


RULES = Resources(devices=(DeviceRule(allow=False),))


def test_without_the_v1_controller_device_rules_are_a_program(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.cgroups.place._may_attach", lambda: True)
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    before = place(RULES, "", "abc", layout2(tmp_path, tmp_path)).before
    assert before[-2] == AttachDeviceProgram(f"{tmp_path}/labkit-abc", program(RULES.devices))


def test_in_a_user_namespace_device_rules_are_left_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr("labkit.cgroups.place._may_attach", lambda: False)
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    found = place(RULES, "", "abc", layout2(tmp_path, tmp_path))
    assert "user namespace" in found.notes[0]
    assert not any(isinstance(step, AttachDeviceProgram) for step in found.before)


def test_a_shared_cgroup_that_has_processes_cannot_hand_down_a_controller(tmp_path):
    cgroup2(tmp_path, handed="cpu memory pids", root=True)
    cgroup2(tmp_path / "lab", procs="5\n")
    with pytest.raises(LabkitError, match="may not hand down the controller 'memory'"):
        place(LIMITED, "/lab/abc", "abc", layout2(tmp_path, tmp_path))

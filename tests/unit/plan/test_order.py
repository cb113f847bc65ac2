"""The order of the steps, each place in it with the fault that another order would be."""

import pytest

from labkit.errors import SpecError
from labkit.linux import capabilities
from labkit.linux.mount import MOUNT_ATTR_RDONLY
from labkit.plan import build, devices, mounts, namespaces, process, scheduling
from labkit.plan.facts import Facts
from labkit.plan.manner import Manner
from labkit.plan.sysctl import WriteSysctl
from labkit.spec import default
from labkit.spec.model import (
    CapabilitySets,
    Device,
    IdMapping,
    IoPriority,
    Mount,
    Namespace,
    Personality,
    Rlimit,
    Scheduler,
    TimeOffset,
)

FILTER = ("default", b"\0" * 16)
V1 = (("memory", "cgroup", ("memory",)), ("unified", "cgroup2", ()))


def spec(*more_namespaces, **process_values):
    made = default.spec("/image", ("sh",))
    made.linux.namespaces += tuple(Namespace(kind=kind) for kind in more_namespaces)
    if "user" in more_namespaces:
        made.linux.uid_mappings = made.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    for name, value in process_values.items():
        setattr(made.process, name, value)
    return made


def steps(made, facts=None, seccomp=FILTER, notes=None, joins=()):
    notes = [] if notes is None else notes
    return build.child_steps(made, facts or Facts(), "/scratch", seccomp, notes, joins)


def names(made, **options):
    return [type(step).__name__ for step in steps(made, **options)]


def before(first, second, order):
    assert first in order
    assert second in order
    return max(i for i, name in enumerate(order) if name == first) < order.index(second)


def test_the_filter_comes_after_no_new_privs_and_right_before_the_program():
    assert names(spec())[-2:] == ["LoadSeccomp", "Execute"]
    assert before("NoNewPrivileges", "LoadSeccomp", names(spec()))


def test_what_the_engine_has_open_is_closed_before_anything_of_the_image_is_looked_at():
    assert names(spec())[0] == "CloseInherited"


def test_without_no_new_privs_the_filter_is_loaded_while_the_privilege_for_it_is_there():
    order = names(spec(no_new_privileges=False))
    assert "NoNewPrivileges" not in order
    assert before("KeepSysAdmin", "LoadSeccomp", order)
    assert before("LoadSeccomp", "SetCapabilities", order)


def test_a_filter_need_not_allow_the_change_of_user_nor_the_search_for_the_program():
    made = spec(no_new_privileges=False)
    made_later = build.child_steps(made, Facts(), "/scratch", FILTER, [], manner=Manner(held=True))
    order = [type(step).__name__ for step in made_later]
    for earlier in ("SetUser", "EnterFolder", "FindProgram", "LetGo", "CloseDescriptors"):
        assert before(earlier, "LoadSeccomp", order)
    assert before("SetCapabilities", "AwaitStart", order)


@pytest.mark.parametrize("later", ["DropBounding", "SetUser", "SetCapabilities", "NoNewPrivileges", "LoadSeccomp"])
def test_the_root_is_changed_before_privileges_are_given_up(later):
    assert before("PivotRoot", later, names(spec()))


def test_the_bounding_set_is_dropped_while_setpcap_is_held():
    assert before("DropBounding", "SetUser", names(spec()))
    assert before("SetUser", "SetCapabilities", names(spec()))


def test_the_process_stands_in_its_cgroups_before_their_namespace_is_made():
    order = names(spec(), joins=(process.JoinCgroup("/sys/fs/cgroup/memory/x"),))
    assert before("JoinCgroup", "EnterCgroupNamespace", order)
    assert before("JoinCgroup", "PrivateMounts", order)


def test_cgroups_are_joined_with_the_ids_that_may_write_them():
    order = names(spec("user"), joins=(process.JoinCgroup("/sys/fs/cgroup/memory/x"),))
    assert before("JoinCgroup", "BecomeRoot", order)


def test_the_process_becomes_root_of_its_user_namespace_only_when_the_ids_are_mapped():
    order = names(spec("user"))
    assert order.index("BecomeRoot") == order.index("AwaitParent") + 1


def test_nothing_waits_without_a_user_namespace():
    assert "AwaitParent" not in names(spec())


def test_procfs_of_its_own_is_written_before_the_ids_change():
    made = spec("user", "time", oom_score_adj=5)
    made.linux.time_offsets = {"boottime": TimeOffset(secs=1)}
    order = names(made)
    assert before("EnterTimeNamespace", "BecomeRoot", order)
    assert before("SetOomScore", "BecomeRoot", order)
    assert before("SetOomScore", "PivotRoot", order)


def test_mounts_are_private_before_anything_is_mounted():
    assert before("PrivateMounts", "UseRoot", names(spec()))
    assert before("PrivateMounts", "MountFilesystem", names(spec()))


def test_paths_are_masked_after_what_they_lie_on_is_mounted():
    assert before("MountFilesystem", "MaskPath", names(spec()))
    assert before("MaskPath", "PivotRoot", names(spec()))


def test_the_root_becomes_read_only_after_everything_was_made_in_it():
    made = spec()
    made.root.readonly = True
    order = steps(made)
    place = order.index(mounts.RemountReadonly("/"))
    assert isinstance(order[place + 1], mounts.PivotRoot)


def test_the_parents_death_signal_is_set_after_the_user_whose_change_would_clear_it():
    assert before("SetUser", "DieWithParent", names(spec()))


def test_descriptors_close_before_a_filter_could_forbid_it():
    assert before("CloseDescriptors", "LoadSeccomp", names(spec()))


def test_a_configuration_without_capabilities_gets_none():
    made = steps(spec(capabilities=None))
    assert process.SetCapabilities(0, 0, 0, 0) in made
    assert process.DropBounding(0, 40) in made


def test_each_of_the_five_sets_is_as_asked():
    sets = {name: (f"CAP_{word}",) for name, word in zip(capabilities.SETS, ("CHOWN",) * 5, strict=True)}
    sets["bounding"] = ("CAP_CHOWN", "CAP_KILL")
    made = steps(spec(capabilities=CapabilitySets(**sets)))
    assert process.SetCapabilities(1, 1, 1, 1) in made
    assert process.DropBounding(0b100001, 40) in made


def test_ambient_capabilities_that_are_not_inheritable_are_left_out_with_a_note():
    notes = []
    made = steps(spec(capabilities=CapabilitySets(permitted=("CAP_KILL",), ambient=("CAP_KILL",))), notes=notes)
    assert process.SetCapabilities(0, 0, 0, 32) in made
    assert any("CAP_KILL" in note for note in notes)


def test_capabilities_that_the_host_lacks_are_left_out_with_a_note():
    notes = []
    wanted = CapabilitySets(bounding=("CAP_CHECKPOINT_RESTORE", "CAP_CHOWN"))
    made = steps(spec(capabilities=wanted), Facts(last_capability=39), notes=notes)
    assert process.DropBounding(1, 39) in made
    assert any("CAP_CHECKPOINT_RESTORE" in note for note in notes)


def test_an_unknown_capability_is_left_out_with_a_warning_that_points_to_its_set():
    notes = []
    made = steps(spec(capabilities=CapabilitySets(bounding=("CAP_FLY", "CAP_CHOWN"))), notes=notes)
    assert process.DropBounding(1, 40) in made
    assert any(note.startswith("warning: ") and "/process/capabilities/bounding: CAP_FLY" in note for note in notes)


def test_a_user_namespace_binds_the_hosts_devices_and_others_make_nodes():
    assert process_count(spec(), devices.MakeDevice) == 6
    assert process_count(spec("user"), devices.MakeDevice) == 0
    assert process_count(spec("user"), mounts.BindMount) == 6


def process_count(made, kind):
    return sum(isinstance(step, kind) for step in steps(made))


def test_a_dev_that_is_bound_from_the_host_is_left_as_it_is():
    made = spec()
    made.mounts = (Mount(destination="/dev", kind="bind", source="/dev", options=("rbind",)),)
    order = names(made)
    assert "MakeDevice" not in order
    assert "MakeSymlink" not in order


def test_an_option_that_a_bind_mount_has_not_is_left_out_with_a_warning():
    made = spec()
    made.mounts = (Mount(destination="/x", source="/x", options=("bind", "size=1k")),)
    notes = []
    assert mounts.BindMount(0, 0, 0, "/x", 0, False, 0, "/x") in steps(made, notes=notes)
    assert [note for note in notes if note.startswith("warning: ") and "/mounts/0/options: size=1k" in note]


@pytest.mark.parametrize(
    ("mount", "pointer"),
    [(Mount(destination="/x"), "/mounts/0/type"), (Mount(destination="/x", kind="bind"), "/mounts/0/source")],
)
def test_a_mount_that_says_too_little_is_refused(mount, pointer):
    made = spec()
    made.mounts = (mount,)
    with pytest.raises(SpecError) as caught:
        steps(made)
    assert caught.value.pointer == pointer


def test_without_a_cgroup_namespace_the_hosts_cgroups_are_never_writable():
    made = default.spec("/image", ("sh",))
    made.linux.namespaces = tuple(n for n in made.linux.namespaces if n.kind != "cgroup")
    made.mounts = (Mount(destination="/sys/fs/cgroup", kind="cgroup", options=("nosuid",)),)
    notes = []
    found = [s for s in steps(made, Facts(cgroup_mounts=V1), notes=notes) if isinstance(s, mounts.MountFilesystem)]
    assert all(step.attributes & MOUNT_ATTR_RDONLY for step in found if step.filesystem != "tmpfs")
    assert any("read-only" in note for note in notes)


def test_without_a_cgroup_namespace_the_containers_own_cgroups_are_bound():
    made = spec()
    made.linux.namespaces = tuple(n for n in made.linux.namespaces if n.kind != "cgroup")
    made.mounts = (Mount(destination="/sys/fs/cgroup", kind="cgroup", options=("nosuid",)),)
    facts = Facts(cgroup_mounts=(("cpu,cpuacct", "cgroup", ("cpu", "cpuacct")), *V1))
    facts.own_cgroups = {"memory": "/sys/fs/cgroup/memory/x", "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/x"}
    order = steps(made, facts)
    assert mounts.BindMount(2, 0, 0, "/sys/fs/cgroup/memory", -1, False, 0, "/sys/fs/cgroup/memory/x") in order
    assert devices.MakeSymlink("/sys/fs/cgroup/cpu", "cpu,cpuacct") in order


def test_a_tree_in_which_the_container_has_no_cgroup_is_not_shown():
    facts = Facts(cgroup_mounts=V1)
    facts.own_cgroups = {"memory": "/sys/fs/cgroup/memory/x"}
    places = [step.destination for step in steps(spec(), facts) if hasattr(step, "filesystem")]
    assert "/sys/fs/cgroup/memory" in places
    assert "/sys/fs/cgroup/unified" not in places


def test_each_v1_hierarchy_is_mounted_below_a_tmpfs_that_becomes_read_only():
    found = [(s.filesystem, s.destination) for s in steps(spec(), Facts(cgroup_mounts=V1)) if hasattr(s, "filesystem")]
    assert found[-3:] == [
        ("tmpfs", "/sys/fs/cgroup"),
        ("cgroup", "/sys/fs/cgroup/memory"),
        ("cgroup2", "/sys/fs/cgroup/unified"),
    ]
    assert mounts.RemountReadonly("/sys/fs/cgroup") in steps(spec(), Facts(cgroup_mounts=V1))


def test_proc_and_sys_are_bound_where_a_user_namespace_may_not_mount_them():
    made = spec("user")
    made.linux.namespaces = tuple(n for n in made.linux.namespaces if n.kind not in ("pid", "network"))
    bound = {step.source for step in steps(made) if isinstance(step, mounts.BindMount)}
    assert {"/proc", "/sys"} <= bound


def test_a_group_that_the_user_namespace_has_not_is_no_mount_option():
    made = spec("user")
    made.linux.gid_mappings = (IdMapping(host_id=1000, size=1),)
    pts = next(step for step in steps(made) if getattr(step, "filesystem", "") == "devpts")
    assert not any(option.startswith("gid=") for option in pts.options)


def test_a_user_outside_the_map_is_refused():
    made = spec("user")
    made.process.user.uid = 70_000
    with pytest.raises(SpecError, match="70000"):
        steps(made)


def test_an_ordinary_users_groups_stay_with_a_note():
    notes = []
    alone = spec("user")
    alone.linux.uid_mappings = alone.linux.gid_mappings = (IdMapping(host_id=1000, size=1),)
    made = steps(alone, Facts(euid=1000, permitted=0), notes=notes)
    assert process.SetUser(0, None, 0, 0o022) in made
    assert any("setgroups" in note for note in notes)


def test_an_ordinary_user_who_has_more_gids_sets_groups():
    notes = []
    made = steps(spec("user"), Facts(euid=1000, permitted=0), notes=notes)
    assert process.SetUser(0, (), 0, 0o022) in made
    assert not any("setgroups" in note for note in notes)


def test_the_program_runs_when_its_network_is_connected():
    made = spec()
    made.annotations[build.NETWORK_ANNOTATION] = "bridge"
    order = steps(made)
    assert namespaces.AwaitParent(build.CONNECTED) in order
    # With a user namespace it is connected before the ids are known to be mapped, which is waited for anyway.
    made = spec("user")
    made.annotations[build.NETWORK_ANNOTATION] = "slirp"
    assert namespaces.AwaitParent(build.CONNECTED) not in steps(made)
    assert namespaces.AwaitParent(build.IDS_MAPPED) in steps(made)


def test_rlimits_are_set_with_the_privilege_to_raise_them():
    order = names(spec(rlimits=(Rlimit(kind="RLIMIT_NOFILE", soft=1024, hard=4096),)))
    assert before("SetRlimit", "SetUser", order)


def test_a_limit_of_a_few_open_files_is_set_when_the_steps_need_them_no_more():
    order = names(spec(rlimits=(Rlimit(kind="RLIMIT_NOFILE", soft=1, hard=2),)))
    assert before("GuardInterpreter", "SetRlimit", order)
    assert before("SetRlimit", "Execute", order)


def test_kernel_parameters_are_set_between_the_mounts_and_what_makes_them_read_only():
    made = spec()
    made.linux.sysctl = {"net.ipv4.conf.eth0/5.forwarding": "1"}
    order = names(made)
    assert before("MountFilesystem", "WriteSysctl", order)
    assert before("LoopbackUp", "WriteSysctl", order)
    assert before("WriteSysctl", "MaskPath", order)
    assert before("WriteSysctl", "ReadonlyPath", order)
    assert WriteSysctl(True, (("net/ipv4/conf/eth0.5/forwarding", "1"),)) in steps(made)


def test_a_user_namespace_mounts_no_procfs_for_parameters_unless_it_owns_the_pid_namespace():
    made = spec("user")
    made.linux.sysctl = {"net.ipv4.ip_forward": "1"}
    assert WriteSysctl(True, (("net/ipv4/ip_forward", "1"),)) in steps(made)
    made.linux.namespaces = tuple(n for n in made.linux.namespaces if n.kind != "pid")
    assert WriteSysctl(False, (("net/ipv4/ip_forward", "1"),)) in steps(made)


def test_listed_devices_are_made_after_all_mounts_and_replace_a_default_one():
    made = spec()
    made.linux.devices = (
        Device(kind="b", path="/dev/disk", major=7, minor=0, mode=0o100660, uid=1, gid=2),
        Device(kind="c", path="/dev/null", major=1, minor=3, mode=0o600),
    )
    order = steps(made)
    assert process_count(made, devices.MakeDevice) == 7
    assert devices.MakeDevice(2, "b", 7, 0, 0o660, "/dev/disk", 1) in order
    assert devices.MakeDevice(0, "c", 1, 3, 0o600, "/dev/null", 0) in order
    last_mount = max(i for i, step in enumerate(order) if isinstance(step, mounts.MountFilesystem))
    assert order.index(devices.MakeDevice(2, "b", 7, 0, 0o660, "/dev/disk", 1)) > last_mount


def test_no_node_is_made_in_the_hosts_dev():
    made, notes = spec(), []
    made.mounts = (Mount(destination="/dev/", source="/dev", options=("rbind",)),)
    made.linux.devices = (Device(kind="c", path="/dev/x", major=1, minor=3),)
    assert not any(isinstance(step, devices.MakeDevice) for step in steps(made, notes=notes))
    assert any("/dev/x" in note for note in notes)


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_scheduling_is_set_with_the_privilege_for_it_and_before_a_filter(no_new_privileges):
    made = spec(
        io_priority=IoPriority(kind="IOPRIO_CLASS_RT", priority=1),
        scheduler=Scheduler(policy="SCHED_FIFO", priority=3, flags=("SCHED_FLAG_RESET_ON_FORK",)),
        no_new_privileges=no_new_privileges,
    )
    made.linux.personality = Personality(domain="LINUX32")
    order = names(made)
    for name in ("SetPersonality", "SetIoPriority", "SetScheduler"):
        assert before("PivotRoot", name, order)
        assert before(name, "LoadSeccomp", order)
        assert before(name, "DropBounding", order)
    assert scheduling.SetScheduler(0, ("SCHED_FLAG_RESET_ON_FORK",), 0, 0, "SCHED_FIFO", 3, 0) in steps(made)


def joining(*kinds):
    made = spec()
    made.linux.namespaces = tuple(
        Namespace(kind=n.kind, path=f"/ns/{n.kind}" if n.kind in kinds else "") for n in made.linux.namespaces
    )
    return made


def test_what_is_joined_is_neither_made_nor_set_up():
    made = joining("network", "cgroup", "pid")
    assert set(build.clone_kinds(made)) == {"ipc", "uts", "mount"}
    assert not {"LoopbackUp", "EnterCgroupNamespace"} & set(names(made))


def test_proc_and_sys_are_bound_where_a_new_user_namespace_does_not_own_what_they_show():
    made = joining("network", "pid")
    made.linux.namespaces += (Namespace(kind="user"),)
    made.linux.uid_mappings = made.linux.gid_mappings = (IdMapping(host_id=100_000, size=65536),)
    bound = {step.source for step in steps(made) if isinstance(step, mounts.BindMount)}
    assert {"/proc", "/sys"} <= bound


def test_the_clone_makes_all_namespaces_but_those_entered_later():
    made = spec("user", "time")
    assert "cgroup" not in build.clone_kinds(made)
    assert "time" in build.clone_kinds(made)
    made.linux.time_offsets = {"boottime": TimeOffset(secs=1)}
    assert "time" not in build.clone_kinds(made)

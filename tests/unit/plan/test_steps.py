import os
import stat

import pytest

from labkit.errors import LabkitError, StepError
from labkit.linux import kernel
from labkit.linux.mount import MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE
from labkit.linux.namespaces import CLONE_NEWUTS
from labkit.plan import copyup, devices, execute, join, mounts, parent, process, propagation, roots, scheduling
from labkit.plan.plan import Plan
from labkit.plan.step import STEPS, Scene, decode
from labkit.plan.sysctl import WriteSysctl


class Recorder:
    """Stands for labkit.linux.kernel: notes each call, and gives a descriptor of the null device for one of a mount."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        assert hasattr(kernel, name)

        def call(*arguments):
            self.calls.append((name, *arguments))
            return os.open("/dev/null", os.O_RDONLY) if name in OPENING else 0

        return call

    @property
    def names(self):
        return [call[0] for call in self.calls]


OPENING = ("open_namespace", "open_tree", "fsmount", "openat2", "open_or_make", "open_if_there")


@pytest.fixture
def scene(tmp_path):
    made = Scene(Recorder())
    made.root = os.open(tmp_path, os.O_PATH)
    yield made
    if made.root >= 0:
        os.close(made.root)


def sample(kind):
    """A step of this kind, with a plain value for each field."""
    return kind(*[f"/{name}" for name in kind.__slots__])


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_survives_the_way_to_another_process(name):
    step = sample(STEPS[name])
    assert decode(step.encode()) == step


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_says_what_it_calls_and_why(name):
    step = STEPS[name]
    assert step.call
    assert sample(step).why


def test_a_filesystem_is_configured_then_its_place_resolved_then_attached(scene):
    mounts.MountFilesystem(8, "/proc", "proc", ("hidepid=2",), "proc").apply(scene)
    assert scene.kernel.names == ["openat2", "fsmount", "open_or_make", "move_mount"]
    assert scene.kernel.calls[1] == ("fsmount", "proc", ("hidepid=2",), 8, "proc")
    assert scene.kernel.calls[2][1:] == (scene.root, "/proc", True)


def test_a_bind_mount_has_its_attributes_before_it_can_be_seen(scene, tmp_path):
    mounts.BindMount(1, 8, 0, "/x", -1, True, 0, str(tmp_path)).apply(scene)
    assert scene.kernel.names == ["open_tree", "mount_setattr", "mount_setattr", "open_or_make", "move_mount"]
    assert [call[2:5] for call in scene.kernel.calls[1:3]] == [(1, 0, False), (8, 0, True)]


def test_a_root_beside_the_hosts_mounts_is_private_from_before_it_is_attached_and_stays_so(scene, tmp_path):
    os.close(scene.root)
    roots.BindRoot(str(tmp_path), "/place").apply(scene)
    private = ("mount_setattr", scene.root, 0, 0, True, str(tmp_path), MS_PRIVATE)
    assert scene.kernel.calls[1:] == [private, ("mount_at", "/place", scene.root), private]
    assert scene.kernel.names[0] == "open_tree"


def test_what_is_bound_beside_the_hosts_mounts_passes_nothing_on_from_before_it_is_attached(scene, tmp_path):
    scene.slaves = True
    mounts.BindMount(0, 0, 0, "/x", -1, True, 0, str(tmp_path)).apply(scene)
    assert scene.kernel.names == ["open_tree", "mount_setattr", "open_or_make", "move_mount"]
    assert scene.kernel.calls[1][2:] == (0, 0, True, str(tmp_path), MS_SLAVE)


def test_a_file_is_masked_by_the_containers_null_device_only(scene):
    mounts.MaskPath("/proc/kcore").apply(scene)
    assert scene.kernel.names == ["open_if_there", "openat2", "open_tree", "mount_setattr", "move_mount"]
    assert scene.kernel.calls[1][2] == "/dev/null"


def test_further_files_are_masked_by_copies_of_the_first_mask(scene):
    mounts.MaskPath("/proc/kcore").apply(scene)
    del scene.kernel.calls[:]
    mounts.MaskPath("/proc/keys").apply(scene)
    assert scene.kernel.names == ["open_if_there", "open_tree", "move_mount"]
    assert scene.kernel.calls[1] == ("open_tree", scene.masks[False], False)
    assert not os.get_inheritable(scene.masks[False])


def test_a_null_device_that_is_another_file_masks_nothing(scene, tmp_path):
    (tmp_path / "secret").touch()

    def another_file(root, path):
        return os.open(tmp_path / "secret", os.O_RDONLY)

    scene.kernel.openat2 = another_file
    with pytest.raises(OSError, match="not the null device"):
        mounts.MaskPath("/proc/kcore").apply(scene)
    assert "move_mount" not in scene.kernel.names


@pytest.mark.parametrize("step", [mounts.MaskPath("/proc/none"), mounts.ReadonlyPath("/proc/none")])
def test_a_path_that_is_not_there_needs_no_cover(scene, step):
    scene.kernel.open_if_there = lambda root, path: -1
    step.apply(scene)
    assert scene.kernel.names == []


def test_pivot_root_lets_go_of_the_old_root(scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mounts.PivotRoot().apply(scene)
    assert scene.kernel.names == ["pivot_root", "mount", "umount2"]
    assert scene.kernel.calls[1] == ("mount", None, ".", None, MS_REC | MS_SLAVE)
    assert scene.root == -1
    assert os.getcwd() == "/"


def test_no_step_on_the_file_tree_leaves_a_descriptor_open(scene, tmp_path):
    before = set(os.listdir("/proc/self/fd"))
    for step in (
        mounts.MountFilesystem(0, "/proc", "proc", (), "proc"),
        mounts.BindMount(1, 0, 0, "/x", -1, False, 0, str(tmp_path)),
        mounts.MaskPath("/proc/kcore"),
        mounts.ReadonlyPath("/proc/sys"),
        mounts.RemountReadonly("/"),
        propagation.SetPropagation("/x", "rslave"),
    ):
        step.apply(scene)
    # Which closes with execve.
    os.close(scene.masks.pop(False))
    assert set(os.listdir("/proc/self/fd")) == before


def test_propagation_is_set_on_the_mount_found_inside_the_root(scene):
    propagation.SetPropagation("/x", "rshared").apply(scene)
    propagation.SetPropagation("/y", "slave").apply(scene)
    assert scene.kernel.names == ["openat2", "mount_setattr"] * 2
    assert scene.kernel.calls[0][1:] == (scene.root, "/x")
    assert scene.kernel.calls[1][2:] == (0, 0, True, "/x", MS_SHARED)
    assert scene.kernel.calls[3][2:] == (0, 0, False, "/y", MS_SLAVE)


def test_the_mount_below_the_root_is_the_one_made_private(scene, tmp_path):
    number = next(line.split()[1] for line in fdinfo(scene.root) if line.startswith("mnt_id"))
    texts = {
        f"/proc/self/fdinfo/{scene.root}": f"pos:\t0\nmnt_id:\t{number}\n",
        "/proc/self/mountinfo": f"1 1 0:1 / / rw - x x rw\n{number} 1 0:2 / /a\\040b\\134 rw shared:1 - x x rw\n",
    }
    scene.kernel.read_file = texts.__getitem__
    propagation.PrivateParent("/unused").apply(scene)
    assert scene.kernel.calls == [("mount", None, "/a b\\", None, MS_PRIVATE)]
    os.fstat(scene.root)


def fdinfo(descriptor):
    with open(f"/proc/self/fdinfo/{descriptor}") as file:
        return file.read().splitlines()


def test_a_tmpfs_is_filled_before_it_is_attached(scene, tmp_path):
    (tmp_path / "old/folder").mkdir(parents=True)
    (tmp_path / "old/folder/file").write_text("text")
    (tmp_path / "old/folder/file").chmod(0o640)
    (tmp_path / "old/link").symlink_to("/nowhere")
    (tmp_path / "new").mkdir()
    os.utime(tmp_path / "old/folder/file", ns=(1, 2))
    (tmp_path / "old").chmod(0o751)
    seen = []
    scene.kernel.fsmount = lambda *arguments: os.open(tmp_path / "new", os.O_PATH)
    scene.kernel.open_or_make = lambda *arguments: os.open(tmp_path / "old", os.O_PATH)
    scene.kernel.move_mount = lambda *arguments: seen.extend(sorted(os.listdir(tmp_path / "new")))
    before = set(os.listdir("/proc/self/fd"))
    copyup.MountCopy(1, "/x", (), "tmpfs").apply(scene)
    assert seen == ["folder", "link"]
    assert (tmp_path / "new/folder/file").read_text() == "text"
    assert (tmp_path / "new/folder/file").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "new/folder/file").stat().st_mtime_ns == 2
    assert os.readlink(tmp_path / "new/link") == "/nowhere"
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o751
    assert scene.kernel.names == ["mount_setattr"]
    assert set(os.listdir("/proc/self/fd")) == before


def test_the_parent_stands_in_a_namespace_only_while_it_clones(scene):
    before = set(os.listdir("/proc/self/fd"))
    entering = join.JoinNamespace("uts", "/ns/uts")
    entering.apply(scene)
    join.LeaveNamespace("uts").apply(scene)
    entering.undo(scene)
    assert scene.kernel.names == ["open_namespace", "setns", "setns"]
    assert scene.kernel.calls[0] == ("open_namespace", "/ns/uts", "uts")
    assert [call[2] for call in scene.kernel.calls[1:]] == [CLONE_NEWUTS, CLONE_NEWUTS]
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_parent_that_could_not_clone_returns_to_its_namespace(scene):
    entering = join.JoinNamespace("pid", "/ns/pid")
    entering.undo(scene)
    assert scene.kernel.names == []
    entering.apply(scene)
    entering.undo(scene)
    assert scene.kernel.names == ["open_namespace", "setns", "setns"]
    assert scene.home == {}


def test_setting_the_user_keeps_capabilities_over_it(scene):
    mask = os.umask(0)
    process.SetUser(5, (6,), 7, mask).apply(scene)
    os.umask(mask)
    assert scene.kernel.calls == [("keep_capabilities",), ("set_user", 7, 5, (6,))]


def test_ambient_capabilities_are_raised_after_the_sets_they_depend_on(scene):
    process.SetCapabilities(1, 3, 1, 3).apply(scene)
    assert scene.kernel.calls == [("capset", 3, 3, 1), ("set_ambient", 1)]


def test_a_process_moves_itself_into_its_cgroup(scene):
    process.JoinCgroup("/cg/x").apply(scene)
    assert scene.kernel.calls == [("write_file", "/cg/x/tasks", "0")]


@pytest.mark.parametrize(("fresh", "first"), [(True, "fsmount"), (False, "open_tree")])
def test_kernel_parameters_are_written_through_a_procfs_of_their_own(scene, tmp_path, fresh, first):
    file = tmp_path / "parameter"
    file.touch()
    opened = []

    def only_parameter(root, path, flags):
        opened.append(path)
        return os.open(file, flags)

    scene.kernel.openat2 = only_parameter
    before = set(os.listdir("/proc/self/fd"))
    WriteSysctl(fresh, (("net/a", "1"),)).apply(scene)
    assert scene.kernel.names == [first]
    assert opened == ["/sys/net/a"]
    assert file.read_text() == "1"
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_fifo_is_made_with_its_mode(scene, tmp_path):
    scene.kernel.open_or_make = lambda root, path, folder: os.open(tmp_path, os.O_PATH)
    mask = os.umask(0)
    devices.MakeDevice(0, "p", 0, 0, 0o640, "/pipe", 0).apply(scene)
    os.umask(mask)
    assert (tmp_path / "pipe").stat().st_mode == stat.S_IFIFO | 0o640
    devices.MakeDevice(0, "p", 0, 0, 0o640, "/pipe", 0).apply(scene)
    with pytest.raises(FileExistsError):
        devices.MakeDevice(0, "c", 1, 3, 0o640, "/pipe", 0).apply(scene)


def test_scheduling_goes_to_the_kernel_as_it_is(scene):
    scheduling.SetScheduler(5, (), 0, 6, "SCHED_DEADLINE", 0, 4).apply(scene)
    scheduling.SetIoPriority("IOPRIO_CLASS_BE", 7).apply(scene)
    scheduling.SetPersonality("LINUX32").apply(scene)
    assert scene.kernel.calls == [
        ("sched_setattr", "SCHED_DEADLINE", (), 0, 0, 4, 5, 6),
        ("ioprio_set", "IOPRIO_CLASS_BE", 7),
        ("personality", "LINUX32"),
    ]


@pytest.mark.parametrize(
    ("deny", "files"),
    [(True, ["uid_map", "setgroups", "gid_map"]), (False, ["uid_map", "gid_map"])],
)
def test_setgroups_is_denied_before_the_gid_map_where_it_must_be(scene, deny, files):
    scene.pid = 77
    parent.WriteIdMaps(deny, "0 1 1", "0 1 1").apply(scene)
    assert [call[1] for call in scene.kernel.calls] == [f"/proc/77/{name}" for name in files]


def test_a_missing_command_is_127_and_looked_for_along_the_path(scene):
    with pytest.raises(StepError, match="nothing-so-named: command not found") as caught:
        execute.Execute(("nothing-so-named",), ("PATH=/nowhere:/bin",)).apply(scene)
    assert caught.value.exit_status == 127


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda place: place.mkdir(), "is a folder"),
        (lambda place: place.write_text("echo"), "Permission denied"),
        (lambda place: (place.write_text("\0"), place.chmod(0o755)), "not a program"),
        (lambda place: place.symlink_to(place), "symbolic link"),
    ],
)
def test_a_command_that_cannot_be_executed_is_126(scene, tmp_path, make, word):
    place = tmp_path / "command"
    make(place)
    with pytest.raises(StepError, match=word) as caught:
        execute.Execute((str(place),), ()).apply(scene)
    assert caught.value.exit_status == 126
    assert caught.value.hint


def test_a_missing_interpreter_is_named_as_such(scene, tmp_path):
    place = tmp_path / "script"
    place.write_text("#!/no/such/interpreter\n")
    place.chmod(0o755)
    with pytest.raises(StepError) as caught:
        execute.Execute((str(place),), ()).apply(scene)
    assert caught.value.exit_status == 127
    assert "interpreter" in caught.value.hint


def test_arguments_that_are_too_large_are_named_as_such(scene):
    with pytest.raises(StepError) as caught:
        execute.Execute(("/bin/true", "x" * 200_000), ()).apply(scene)
    assert "too large" in caught.value.hint


def plan():
    return Plan(
        "abc",
        ("mount", "pid"),
        (parent.MakeStateFolder(b"{}", "{}\n", False, "/run/x/abc", False), parent.MakeCgroup("/cg/x")),
        (),
        (mounts.PrivateMounts(), mounts.UseRoot("/image"), execute.Execute(("sh", "-c", "true"), ())),
        ("a note",),
    )


def test_a_plan_survives_the_way_to_another_process():
    again = Plan.decode(plan().encode())
    assert again.encode() == plan().encode()
    assert again.child == plan().child


def test_explain_names_each_step_in_order_with_its_call_and_reason():
    text = plan().explain()
    places = [text.index(name) for name in ("MakeStateFolder", "MakeCgroup", "Clone", "PrivateMounts", "Execute")]
    assert places == sorted(places)
    assert "clone3" in text
    assert "mount, pid" in text
    assert "mount(MS_REC|MS_PRIVATE)  # no mount made" in text
    assert text.endswith("note: a note")


def test_a_step_can_be_left_out():
    assert "PrivateMounts" not in plan().without(["PrivateMounts"]).step_names()


def test_an_unknown_step_is_refused_with_the_known_ones():
    with pytest.raises(LabkitError, match="NoStep") as caught:
        plan().without(["NoStep"])
    assert "PrivateMounts" in caught.value.hint


@pytest.mark.parametrize("name", ["Execute", "UseRoot", "MakeStateFolder"])
def test_what_makes_the_container_cannot_be_left_out(name):
    with pytest.raises(LabkitError, match="cannot be left out"):
        plan().without([name])

"""Without a mount namespace the mounts are made in the runtime's own: one below the other, and the host's untouched."""

import pytest

from labkit.errors import SpecError
from labkit.plan import build, filesystems, mounts
from labkit.plan.facts import Facts
from labkit.plan.manner import Manner
from labkit.plan.propagation import SetPropagation
from labkit.plan.roots import BindRoot
from labkit.spec import default
from labkit.spec.model import Mount


def spec(*more):
    made = default.spec("/image", ("sh",))
    made.linux.namespaces = ()
    made.hostname = ""
    made.mounts += more
    return made


def steps(made, notes=None):
    return build.child_steps(made, Facts(), "/run/x/id", None, [] if notes is None else notes, (), "id", Manner())


def names(made):
    return [type(step).__name__ for step in steps(made)]


def test_all_hangs_below_one_mount_in_the_state_folder():
    notes = []
    order = steps(spec(), notes)
    assert BindRoot("/image", "/run/x/id/root") in order
    first = next(step for step in order if isinstance(step, mounts.MountFilesystem))
    assert order.index(BindRoot("/image", "/run/x/id/root")) < order.index(first)
    assert any("below /run/x/id, until it is deleted" in note for note in notes)


def test_no_step_changes_the_propagation_or_the_root_of_the_host():
    of_the_host = {"MoveRoot", "PivotRoot", "PrivateMounts", "PrivateParent", "SlaveMounts", "UseRoot"}
    assert not of_the_host & set(names(spec()))


def test_the_root_is_changed_once_its_own_mount_is_read_only():
    made = spec()
    made.root.readonly = True
    order = steps(made)
    assert type(order[order.index(mounts.RemountReadonly("/")) + 1]).__name__ == "ChangeRoot"


def test_what_is_bound_is_private_unless_it_says_otherwise():
    made = spec(
        Mount(destination="/a", source="/host", options=("rbind",)),
        Mount(destination="/b", source="/host", options=("rbind", "rslave")),
    )
    found = [step for step in steps(made) if isinstance(step, SetPropagation)]
    assert found == [SetPropagation("/a", "rprivate"), SetPropagation("/b", "rslave")]


def test_with_nothing_to_mount_nothing_is_mounted():
    made = spec()
    made.mounts = made.linux.masked_paths = made.linux.readonly_paths = ()
    assert not filesystems.outside(made)
    assert "OpenRoot" in names(made)
    assert "BindRoot" not in names(made)


@pytest.mark.parametrize("what", ["mounts", "masked_paths", "readonly_paths", "readonly"])
def test_each_thing_that_takes_a_mount_is_one(what):
    made = spec()
    given = {"mounts": made.mounts, "masked_paths": ("/proc/a",), "readonly_paths": ("/proc/b",), "readonly": True}
    made.mounts = made.linux.masked_paths = made.linux.readonly_paths = ()
    setattr({"mounts": made, "readonly": made.root}.get(what, made.linux), what, given[what])
    assert filesystems.outside(made)


@pytest.mark.parametrize(
    ("pointer", "root", "mount"),
    [
        ("/root/path", "/", None),
        ("/root/path", "/srv/../run", None),
        ("/mounts/0/source", "/image", Mount(destination="/h", source="/", options=("rbind", "ro"))),
        ("/mounts/0/source", "/image", Mount(destination="/h", source="/run/x", kind="bind")),
    ],
)
def test_what_would_show_all_such_roots_within_one_is_refused(pointer, root, mount):
    made = spec()
    made.root.path = root
    made.mounts = (mount,) if mount else made.mounts
    with pytest.raises(SpecError, match="mount namespace") as caught:
        filesystems.check_outside(made, "/run/x/id")
    assert caught.value.pointer == pointer


def test_one_mount_alone_shows_none_of_them():
    made = spec(
        Mount(destination="/a", source="/", options=("bind",)),
        Mount(destination="/b", source="/run/xy", options=("rbind",)),
        Mount(destination="/c", source="/", options=("remount", "rbind", "ro")),
    )
    filesystems.check_outside(made, "/run/x/id")


def test_its_terminal_is_its_console_as_in_any_other():
    made = spec()
    made.process.terminal = True
    order = build.child_steps(made, Facts(), "/run/x/id", None, [], (), "id", Manner(console=True))
    assert next(step for step in order if type(step).__name__ == "OpenTerminal").console

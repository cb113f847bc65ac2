"""How far the mount namespace is cut off, and where each mount gets its propagation and a tmpfs its copy."""

import pytest

from labkit.errors import SpecError
from labkit.linux.mount import MOUNT_ATTR_RDONLY
from labkit.plan import build, mounts, propagation
from labkit.plan.copyup import MountCopy
from labkit.plan.facts import Facts
from labkit.spec import default
from labkit.spec.model import Mount


def steps(made):
    return build.child_steps(made, Facts(), "/scratch", None, [])


def names(made):
    return [type(step).__name__ for step in steps(made)]


def with_options(*options, root=""):
    made = default.spec("/image", ("sh",))
    made.mounts = (Mount(destination="/x", source="/host", options=options), *made.mounts)
    made.linux.rootfs_propagation = root
    return made


@pytest.mark.parametrize(
    ("options", "root", "first"),
    [
        (["bind"], "", "PrivateMounts"),
        (["bind", "rprivate"], "private", "PrivateMounts"),
        (["bind", "unbindable"], "unbindable", "PrivateMounts"),
        (["bind", "rslave"], "", "SlaveMounts"),
        (["bind", "shared"], "", "SlaveMounts"),
        (["bind"], "rslave", "SlaveMounts"),
        (["bind", "rshared"], "shared", "PrivateParent"),
    ],
)
def test_the_mount_namespace_is_cut_off_as_far_as_its_mounts_allow(options, root, first):
    order = names(with_options(*options, root=root))
    isolating = [name for name in order if name in ("PrivateMounts", "SlaveMounts", "PrivateParent")]
    assert isolating == [first]
    assert order.index(first) < order.index("UseRoot")


def test_a_bind_mount_has_the_propagation_asked_for_in_its_order():
    order = steps(with_options("rbind", "rslave", "shared"))
    found = [step for step in order if isinstance(step, propagation.SetPropagation)]
    assert found == [propagation.SetPropagation("/x", "rslave"), propagation.SetPropagation("/x", "shared")]
    assert isinstance(order[order.index(found[0]) - 1], mounts.BindMount)


def test_a_bind_mount_that_asks_for_none_is_private_where_others_are_not():
    assert propagation.SetPropagation("/x", "rprivate") in steps(with_options("bind", root="slave"))
    assert "SetPropagation" not in names(with_options("bind"))


def test_the_roots_propagation_is_set_once_it_is_the_root():
    order = names(with_options("bind", root="rshared"))
    assert order.index("SetRootPropagation") == order.index("PivotRoot") + 1
    assert "SetRootPropagation" not in names(with_options("bind", root="private"))


def test_the_place_of_an_overlay_is_what_is_made_private_under_a_shared_root():
    made = with_options("bind", root="shared")
    assert propagation.PrivateParent("/image") in steps(made)
    made.annotations[build.OVERLAY_ANNOTATION] = "tmpfs"
    assert propagation.PrivateParent("/scratch") in steps(made)


@pytest.mark.parametrize(
    "mount", [Mount(destination="/x", kind="proc"), Mount(destination="/x", source="/", options=("bind",))]
)
def test_only_a_tmpfs_can_begin_as_a_copy(mount):
    made = default.spec("/image", ("sh",))
    mount.options += ("tmpcopyup",)
    made.mounts = (mount,)
    with pytest.raises(SpecError, match="tmpfs only") as caught:
        steps(made)
    assert caught.value.pointer == "/mounts/0/options"
    made.mounts = (Mount(destination="/x", kind="tmpfs", options=("tmpcopyup", "ro", "size=1m")),)
    assert MountCopy(MOUNT_ATTR_RDONLY, "/x", ("size=1m",), "tmpfs") in steps(made)

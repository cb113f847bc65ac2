import pytest

from labkit.linux import mount
from labkit.plan.options import Options


@pytest.mark.parametrize(
    ("given", "add", "remove"),
    [
        (("ro",), mount.MOUNT_ATTR_RDONLY, 0),
        (("rw",), 0, mount.MOUNT_ATTR_RDONLY),
        (("ro", "rw"), 0, mount.MOUNT_ATTR_RDONLY),
        (("nosuid", "nodev", "noexec"), 0x0E, 0),
        (("noatime",), mount.MOUNT_ATTR_NOATIME, mount.MOUNT_ATTR_ATIME),
        (("relatime",), 0, mount.MOUNT_ATTR_ATIME),
        (("noatime", "strictatime"), mount.MOUNT_ATTR_STRICTATIME, mount.MOUNT_ATTR_ATIME),
        (("noatime", "relatime"), 0, mount.MOUNT_ATTR_ATIME),
        (("nosymfollow",), 0x200000, 0),
        (("defaults", "private", "rprivate"), 0, 0),
    ],
)
def test_attributes(given, add, remove):
    options = Options(given)
    assert (options.add, options.remove) == (add, remove)
    assert not options.data
    assert not options.deep


def test_the_r_forms_hold_for_every_mount_below():
    assert Options(("rbind", "rro")).deep
    assert Options(("rbind", "rro")).add == mount.MOUNT_ATTR_RDONLY
    assert not Options(("rbind", "ro")).deep


def test_bind_and_rbind():
    assert (Options(("bind",)).bind, Options(("bind",)).recursive) == (True, False)
    assert (Options(("rbind",)).bind, Options(("rbind",)).recursive) == (True, True)


def test_what_is_no_attribute_is_left_for_the_filesystem():
    assert Options(("mode=755", "nosuid", "newinstance")).data == ("mode=755", "newinstance")

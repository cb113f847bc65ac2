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
        (("noatime", "atime"), 0, mount.MOUNT_ATTR_ATIME),
        (("strictatime", "nostrictatime"), 0, mount.MOUNT_ATTR_ATIME),
        (("noatime", "nostrictatime"), mount.MOUNT_ATTR_NOATIME, mount.MOUNT_ATTR_ATIME),
        (("noatime", "norelatime"), mount.MOUNT_ATTR_NOATIME, mount.MOUNT_ATTR_ATIME),
        (("nosymfollow",), 0x200000, 0),
        (("silent", "loud", "iversion", "noiversion"), 0, 0),
        (("defaults", "private", "rprivate"), 0, 0),
    ],
)
def test_attributes(given, add, remove):
    options = Options(given)
    assert (options.top.add, options.top.remove) == (add, remove)
    assert (options.deep.add, options.deep.remove) == (0, 0)
    assert not options.data


# config.md, Linux mount options: those with a recursive form.
RECURSIVE = (
    "atime dev diratime exec noatime nodev nodiratime noexec norelatime nostrictatime nosuid nosymfollow "
    "relatime ro rw strictatime suid symfollow"
).split()


@pytest.mark.parametrize("name", RECURSIVE)
def test_the_r_form_is_the_same_for_every_mount_below(name):
    plain, recursive = Options((name,)), Options((f"r{name}",))
    assert (recursive.deep.add, recursive.deep.remove) == (plain.top.add, plain.top.remove)
    assert (recursive.top.add, recursive.top.remove) == (0, 0)
    assert not recursive.data


def test_plain_and_recursive_attributes_are_kept_apart():
    options = Options(("rbind", "rro", "nosuid"))
    assert (options.top.add, options.deep.add) == (mount.MOUNT_ATTR_NOSUID, mount.MOUNT_ATTR_RDONLY)


@pytest.mark.parametrize("name", ["async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync"])
def test_flags_of_the_filesystem_are_told_from_its_own_options(name):
    options = Options((name, "mode=755"))
    assert (options.superblock, options.data) == ((name,), ("mode=755",))


def test_words_that_say_how_to_mount():
    options = Options(("remount", "ridmap", "tmpcopyup"))
    assert (options.remount, options.idmap, options.copy_up, options.data) == (True, "ridmap", True, ())


def test_bind_and_rbind():
    assert (Options(("bind",)).bind, Options(("bind",)).recursive) == (True, False)
    assert (Options(("rbind",)).bind, Options(("rbind",)).recursive) == (True, True)


def test_what_is_no_attribute_is_left_for_the_filesystem():
    assert Options(("mode=755", "nosuid", "newinstance")).data == ("mode=755", "newinstance")

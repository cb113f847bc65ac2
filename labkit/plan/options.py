"""Mount options as /proc/mounts and the specification write them (config.md, Linux mount options)."""

from __future__ import annotations

from labkit.linux.mount import (
    MOUNT_ATTR_ATIME,
    MOUNT_ATTR_NOATIME,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NODIRATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_NOSYMFOLLOW,
    MOUNT_ATTR_RDONLY,
    MOUNT_ATTR_STRICTATIME,
    MS_PRIVATE,
    MS_REC,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
)

# option -> (attributes to set, attributes to clear)
ATTRIBUTES = {
    "ro": (MOUNT_ATTR_RDONLY, 0),
    "rw": (0, MOUNT_ATTR_RDONLY),
    "nosuid": (MOUNT_ATTR_NOSUID, 0),
    "suid": (0, MOUNT_ATTR_NOSUID),
    "nodev": (MOUNT_ATTR_NODEV, 0),
    "dev": (0, MOUNT_ATTR_NODEV),
    "noexec": (MOUNT_ATTR_NOEXEC, 0),
    "exec": (0, MOUNT_ATTR_NOEXEC),
    "nosymfollow": (MOUNT_ATTR_NOSYMFOLLOW, 0),
    "symfollow": (0, MOUNT_ATTR_NOSYMFOLLOW),
    "nodiratime": (MOUNT_ATTR_NODIRATIME, 0),
    "diratime": (0, MOUNT_ATTR_NODIRATIME),
    # The three access-time modes are values of one field, which must be cleared to be set (mount_setattr(2)).
    "noatime": (MOUNT_ATTR_NOATIME, MOUNT_ATTR_ATIME),
    "strictatime": (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_ATIME),
    "relatime": (0, MOUNT_ATTR_ATIME),
    # To leave a mode is to be in the kernel's default one, relatime, which itself cannot be left for nothing.
    "atime": (0, MOUNT_ATTR_NOATIME),
    "nostrictatime": (0, MOUNT_ATTR_STRICTATIME),
    "norelatime": (0, 0),
    "defaults": (0, 0),
}


# Flags of the filesystem and not of one mount of it; fsconfig(2) takes them by these names (fs/fs_context.c).
SUPERBLOCK = ("async", "dirsync", "lazytime", "mand", "nolazytime", "nomand", "sync")

# Words of mount(8) that ask for nothing a kernel of today could do: filesystems keep i_version as they do or not,
# whatever is asked (Linux 6.0), and errors of a mount are returned here, never printed by the kernel.
WITHOUT_EFFECT = ("iversion", "loud", "noiversion", "silent")


# mount_namespaces(7); with an r the type is that of every mount below as well.
PROPAGATION = {
    "private": MS_PRIVATE,
    "rprivate": MS_PRIVATE | MS_REC,
    "slave": MS_SLAVE,
    "rslave": MS_SLAVE | MS_REC,
    "shared": MS_SHARED,
    "rshared": MS_SHARED | MS_REC,
    "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}

# What Options treats one by one.
_OTHERS = ("bind", "rbind", "idmap", "ridmap", "remount", "tmpcopyup")


class Attributes:
    """Attributes to set and to clear, as the words of a list add up: the last one counts."""

    __slots__ = ("add", "remove")

    def __init__(self) -> None:
        self.add = self.remove = 0

    def apply(self, name: str) -> None:
        """Add a word of ATTRIBUTES."""
        add, remove = ATTRIBUTES[name]
        self.add = self.add & ~remove | add
        self.remove = self.remove & ~add | remove
        if self.remove & MOUNT_ATTR_ATIME:
            self.remove |= MOUNT_ATTR_ATIME


class Options:
    """The options of one mount, sorted: attributes, whether it is a bind, and what is left for the filesystem.

    `top` are the attributes of the mount itself, `deep` those of every mount below as well (rro, rnosuid …).
    `propagation` has names of PROPAGATION, in the order given: a mount can be made a slave and then shared.
    `superblock` has names of SUPERBLOCK. `idmap` is "", "idmap" or "ridmap".
    """

    __slots__ = (
        "bind",
        "copy_up",
        "data",
        "deep",
        "idmap",
        "propagation",
        "recursive",
        "remount",
        "superblock",
        "top",
    )

    def __init__(self, options: tuple[str, ...]) -> None:
        self.top, self.deep = Attributes(), Attributes()
        self.bind = self.recursive = self.copy_up = self.remount = False
        self.idmap = ""
        data = []
        propagation = []
        superblock = []
        for option in options:
            if option in ("bind", "rbind"):
                self.bind = True
                self.recursive = option == "rbind"
            elif option in ATTRIBUTES:
                self.top.apply(option)
            elif option[:1] == "r" and option[1:] in ATTRIBUTES and option != "rdefaults":
                self.deep.apply(option[1:])
            elif option in PROPAGATION:
                propagation.append(option)
            elif option in SUPERBLOCK:
                superblock.append(option)
            elif option in ("idmap", "ridmap"):
                self.idmap = option
            elif option == "tmpcopyup":
                self.copy_up = True
            elif option == "remount":
                self.remount = True
            elif option not in WITHOUT_EFFECT:
                data.append(option)
        self.propagation = tuple(propagation)
        self.superblock = tuple(superblock)
        self.data = tuple(data)

    @property
    def add(self) -> int:
        """The attributes of a mount that has none below it."""
        return self.top.add | self.deep.add


# Those that were sorted already: a plan asks for a mount's many times, and many containers have the same.
_SORTED: dict[tuple[str, ...], Options] = {}
_MOST = 256


def sorted_options(options: tuple[str, ...]) -> Options:
    """The options of one mount, sorted; not to be changed."""
    found = _SORTED.get(options)
    if found is None:
        if len(_SORTED) >= _MOST:
            _SORTED.clear()
        found = _SORTED[options] = Options(options)
    return found


def recognized() -> list[str]:
    """Every word that Options reads itself; others are for the filesystem (features.md, mountOptions)."""
    deep = [f"r{name}" for name in ATTRIBUTES if name != "defaults"]
    return sorted({*ATTRIBUTES, *deep, *SUPERBLOCK, *WITHOUT_EFFECT, *PROPAGATION, *_OTHERS})

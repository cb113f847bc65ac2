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
    "defaults": (0, 0),
}


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


class Options:
    """The options of one mount, sorted: attributes, whether it is a bind, and what is left for the filesystem.

    `propagation` has names of PROPAGATION, in the order given: a mount can be made a slave and then shared.
    """

    __slots__ = ("add", "bind", "copy_up", "data", "deep", "propagation", "recursive", "remove")

    def __init__(self, options: tuple[str, ...]) -> None:
        self.add = self.remove = 0
        self.bind = self.recursive = self.deep = self.copy_up = False
        data = []
        propagation = []
        for option in options:
            # rro, rnosuid … are the same attributes for every mount below as well.
            name = option[1:] if option not in ATTRIBUTES and option[:1] == "r" and option[1:] in ATTRIBUTES else option
            if option in ("bind", "rbind"):
                self.bind = True
                self.recursive = option == "rbind"
            elif name in ATTRIBUTES:
                add, remove = ATTRIBUTES[name]
                self.add = self.add & ~remove | add
                self.remove = self.remove & ~add | remove
                self.deep = self.deep or name != option
            elif option in PROPAGATION:
                propagation.append(option)
            elif option == "tmpcopyup":
                self.copy_up = True
            else:
                data.append(option)
        self.propagation = tuple(propagation)
        self.data = tuple(data)

"""The child's side of a guest's processes, before their program: `python -I -S` runs main().

A process of its own and not a function between fork and exec: the caller may be a notebook's large, threaded kernel.
"""

from __future__ import annotations

import os
import sys

from labkit.linux import mount, namespaces, proc, process

SIGKILL = 9


# Where the shared folder is attached, in a mount namespace of the process's own: a folder that every host has.
PLACE = "/tmp"


def main(parent: int, shared: str, access: str, argv: list[str]) -> None:
    """Become the program `argv`, which is killed when process `parent` ends.

    With a folder `shared` the program finds it at PLACE with all that is mounted below it. With `access` "ro" every
    mount of it is read-only (mount_setattr(2)): whatever a guest makes of the program, it cannot write there.
    """
    process.set_parent_death_signal(SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    if shared:
        _private_view()
        mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
        folder = os.open(shared, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        tree = mount.open_tree(folder)
        if access == "ro":
            mount.mount_setattr(tree, mount.MOUNT_ATTR_RDONLY, recursive=True, path=shared)
        mount.mount_at(PLACE, tree)
    os.execv(argv[0], argv)


def _private_view() -> None:
    """A mount namespace; for an ordinary user within a user namespace in which it is root."""
    if os.geteuid() == 0:
        namespaces.unshare(namespaces.CLONE_NEWNS)
        return
    uid, gid = os.geteuid(), os.getegid()
    namespaces.unshare(namespaces.CLONE_NEWUSER | namespaces.CLONE_NEWNS)
    proc.write_file("/proc/self/setgroups", "deny")
    proc.write_file("/proc/self/uid_map", f"0 {uid} 1")
    proc.write_file("/proc/self/gid_map", f"0 {gid} 1")

"""The one object through which steps call the kernel: this module, or in tests a recorder with the same names."""

from __future__ import annotations

from labkit.linux.capabilities import capset, drop_bounding, keep_capabilities, set_ambient
from labkit.linux.cgroupfs import remove_cgroup
from labkit.linux.mount import fsmount, mount, mount_at, mount_setattr, move_mount, open_tree, pivot_root, umount2
from labkit.linux.namespaces import clone3, enter_time_namespace, open_namespace, setns, unshare
from labkit.linux.paths import open_or_make, openat2
from labkit.linux.pidfd import pidfd_open, pidfd_send_signal, wait_exit
from labkit.linux.process import (
    bring_up,
    close_on_exec_from,
    read_file,
    reset_signals,
    set_no_new_privs,
    set_parent_death_signal,
    set_rlimit,
    set_user,
    setdomainname,
    sethostname,
    write_file,
)
from labkit.linux.scheduling import ioprio_set, personality, sched_setattr
from labkit.linux.seccomp import load_filter

__all__ = [
    "bring_up",
    "capset",
    "clone3",
    "close_on_exec_from",
    "drop_bounding",
    "enter_time_namespace",
    "fsmount",
    "ioprio_set",
    "keep_capabilities",
    "load_filter",
    "mount",
    "mount_at",
    "mount_setattr",
    "move_mount",
    "open_namespace",
    "open_or_make",
    "open_tree",
    "openat2",
    "personality",
    "pidfd_open",
    "pidfd_send_signal",
    "pivot_root",
    "read_file",
    "remove_cgroup",
    "reset_signals",
    "sched_setattr",
    "set_ambient",
    "set_no_new_privs",
    "set_parent_death_signal",
    "set_rlimit",
    "set_user",
    "setdomainname",
    "sethostname",
    "setns",
    "umount2",
    "unshare",
    "wait_exit",
    "write_file",
]

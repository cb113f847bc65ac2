"""The one object through which steps call the kernel: this module, or in tests a recorder with the same names."""

from __future__ import annotations

from labkit.linux.capabilities import capset, drop_bounding, keep_capabilities, set_ambient
from labkit.linux.cgroupfs import leaving_cgroup, removing_cgroup, thaw
from labkit.linux.lsm import label_on_exec
from labkit.linux.mount import (
    chroot,
    fsmount,
    idmap,
    mount,
    mount_at,
    mount_setattr,
    move_mount,
    open_tree,
    pivot_root,
    reconfigure,
    umount2,
)
from labkit.linux.namespaces import (
    clone3,
    clone_in_user_namespace,
    enter_time_namespace,
    make_user_namespace,
    open_namespace,
    setns,
    unshare,
)
from labkit.linux.paths import open_if_there, open_or_make, openat2
from labkit.linux.pidfd import pidfd_open, pidfd_send_signal, wait_exit
from labkit.linux.proc import read_file, write_file, write_lines
from labkit.linux.process import (
    bring_up,
    close_all_but,
    close_on_exec_from,
    join_session_keyring,
    reset_signals,
    set_no_new_privs,
    set_not_dumpable,
    set_parent_death_signal,
    set_rlimit,
    set_user,
    setdomainname,
    sethostname,
)
from labkit.linux.seccomp import load_filter, pidfd_getfd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterable
    from typing import Any

    from labkit.linux.ports import Port

# What few containers need, by the module that has it. The modules of the steps that call it import that one: by then
# the process may have the image for its root, from which it must not load anything.
_RARE = {
    "ioprio_set": "scheduling",
    "open_slave": "terminal",
    "personality": "scheduling",
    "run_program": "program",
    "sched_setattr": "scheduling",
    "send_descriptor": "terminal",
    "set_affinity": "scheduling",
    "set_controlling_terminal": "terminal",
    "set_mempolicy": "scheduling",
    "set_window_size": "terminal",
}


def __getattr__(name: str) -> Any:
    if name not in _RARE:
        raise AttributeError(name)
    return getattr(__import__(f"labkit.linux.{_RARE[name]}", fromlist=[name]), name)


def attach_device_program(cgroup: int, program: bytes) -> None:
    """As bpf.attach_device_program, which is imported only here: cgroups of version 1 have files for it."""
    from labkit.linux import bpf

    bpf.attach_device_program(cgroup, program)


def move_interface(name: str, new_name: str, namespace: str) -> None:
    """As rtnetlink.move_interface, which is imported only here: few containers get an interface of the host."""
    from labkit.linux import rtnetlink

    rtnetlink.move_interface(name, new_name, namespace)


def make_bridge(name: str, address: str, length: int) -> None:
    """As bridge.make_bridge, imported only here as all that follows: few containers have a network."""
    from labkit.linux import bridge

    bridge.make_bridge(name, address, length)


def connect_bridge(name: str, interface: str, pid: int, address: str, length: int, gateway: str) -> None:
    """As bridge.connect."""
    from labkit.linux import bridge

    bridge.connect(name, interface, pid, address, length, gateway)


def delete_interface(name: str) -> None:
    """As bridge.delete_interface."""
    from labkit.linux import bridge

    bridge.delete_interface(name)


def interface_exists(name: str) -> bool:
    """As bridge.exists."""
    from labkit.linux import bridge

    return bridge.exists(name)


def nft(script: str) -> None:
    """As nftables.nft."""
    from labkit.linux import nftables

    nftables.nft(script)


def pasta(pid: int, ports: Iterable[Port], folder: str) -> int:
    """As usernet.pasta."""
    from labkit.linux import usernet

    return usernet.pasta(pid, ports, folder)


def slirp4netns(pid: int, ports: Iterable[Port], folder: str) -> tuple[int, int]:
    """As usernet.slirp4netns."""
    from labkit.linux import usernet

    return usernet.slirp4netns(pid, ports, folder)


def take_port(address: str, port: int, protocol: str) -> socket:
    """As ports.take_port."""
    from labkit.linux import ports

    return ports.take_port(address, port, protocol)


__all__ = [
    "attach_device_program",
    "bring_up",
    "capset",
    "chroot",
    "clone3",
    "clone_in_user_namespace",
    "close_all_but",
    "close_on_exec_from",
    "connect_bridge",
    "delete_interface",
    "drop_bounding",
    "enter_time_namespace",
    "fsmount",
    "idmap",
    "interface_exists",
    "join_session_keyring",
    "keep_capabilities",
    "label_on_exec",
    "leaving_cgroup",
    "load_filter",
    "make_bridge",
    "make_user_namespace",
    "mount",
    "mount_at",
    "mount_setattr",
    "move_interface",
    "move_mount",
    "nft",
    "open_if_there",
    "open_namespace",
    "open_or_make",
    "open_tree",
    "openat2",
    "pasta",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    "pivot_root",
    "read_file",
    "reconfigure",
    "removing_cgroup",
    "reset_signals",
    "set_ambient",
    "set_no_new_privs",
    "set_not_dumpable",
    "set_parent_death_signal",
    "set_rlimit",
    "set_user",
    "setdomainname",
    "sethostname",
    "setns",
    "slirp4netns",
    "take_port",
    "thaw",
    "umount2",
    "unshare",
    "wait_exit",
    "write_file",
    "write_lines",
    *_RARE,
]

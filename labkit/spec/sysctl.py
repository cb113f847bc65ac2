"""Which kernel parameters of linux.sysctl a container may set: those that belong to one of its namespaces."""

from __future__ import annotations

# ipc/ipc_sysctl.c; fs.mqueue.* and net.* are whole folders (ipc/mq_sysctl.c, net/sysctl_net.c).
_IPC = (
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shm_rmid_forced",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
)


def sysctl_path(name: str) -> str:
    """The path below /proc/sys; the first of `.` and `/` in the name is its separator (sysctl.d(5))."""
    first = min((place for place in (name.find("."), name.find("/")) if place >= 0), default=-1)
    if first < 0 or name[first] == "/":
        return name
    return name.translate({ord("."): "/", ord("/"): "."})


def namespace_of(path: str) -> str | None:
    """The kind of namespace that the parameter at `path` belongs to, or None for one of the host's."""
    if path in _IPC or path.startswith("fs/mqueue/"):
        return "ipc"
    if path.startswith("net/"):
        return "network"
    return "uts" if path == "kernel/domainname" else None

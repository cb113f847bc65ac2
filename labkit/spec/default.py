"""The configuration of a container that was asked for without a config.json.

Mounts, masks and paths are those that `runc spec` writes; capabilities are Docker's default fourteen.
"""

from __future__ import annotations

from labkit.spec.model import (
    CapabilitySets,
    DeviceRule,
    Linux,
    Mount,
    Namespace,
    Process,
    Resources,
    Root,
    Spec,
)

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SYS_CHROOT",
    "CAP_MKNOD",
    "CAP_AUDIT_WRITE",
    "CAP_SETFCAP",
)
# In runc's order; it has the last two since its version 1.2.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
    "/proc/interrupts",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def mounts() -> tuple[Mount, ...]:
    """The filesystems every container gets."""
    return (
        Mount(destination="/proc", kind="proc", source="proc", options=("nosuid", "noexec", "nodev")),
        Mount(
            destination="/dev",
            kind="tmpfs",
            source="tmpfs",
            options=("nosuid", "strictatime", "mode=755", "size=65536k"),
        ),
        Mount(
            destination="/dev/pts",
            kind="devpts",
            source="devpts",
            options=("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        Mount(
            destination="/dev/shm",
            kind="tmpfs",
            source="shm",
            options=("nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        ),
        Mount(destination="/dev/mqueue", kind="mqueue", source="mqueue", options=("nosuid", "noexec", "nodev")),
        Mount(destination="/sys", kind="sysfs", source="sysfs", options=("nosuid", "noexec", "nodev", "ro")),
        Mount(
            destination="/sys/fs/cgroup",
            kind="cgroup",
            source="cgroup",
            options=("nosuid", "noexec", "nodev", "relatime", "ro"),
        ),
    )


def capabilities(names: tuple[str, ...]) -> CapabilitySets:
    """Docker's use of the five sets: bounding, permitted and effective alike, none inheritable or ambient.

    Inheritable capabilities would reach programs that have file capabilities (CVE-2022-24769).
    """
    return CapabilitySets(bounding=names, permitted=names, effective=names)


def spec(rootfs: str, args: tuple[str, ...]) -> Spec:
    """A complete configuration for `args` in `rootfs`, without limits, user mapping or seccomp filter."""
    return Spec(
        root=Root(path=rootfs),
        process=Process(
            args=args,
            env=(PATH,),
            capabilities=capabilities(CAPABILITIES),
            no_new_privileges=True,
        ),
        hostname="labkit",
        mounts=mounts(),
        linux=Linux(
            namespaces=tuple(Namespace(kind=kind) for kind in NAMESPACES),
            resources=Resources(devices=(DeviceRule(allow=False, access="rwm"),)),
            masked_paths=MASKED_PATHS,
            readonly_paths=READONLY_PATHS,
        ),
    )

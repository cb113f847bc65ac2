"""The specification's rules that concern more than one property."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.limits import validate_resources
from labkit.spec.model import IdMapping, Linux, MemoryPolicy, Scheduler, Spec
from labkit.spec.section import escape
from labkit.spec.sysctl import namespace_of, sysctl_path


def validate(spec: Spec) -> None:
    """Raise SpecError, with the JSON pointer, at the first contradiction."""
    if not spec.oci_version.startswith("1."):
        raise SpecError("/ociVersion", f"must be a version 1.x, not {spec.oci_version!r}")
    if not spec.process.args:
        raise SpecError("/process/args", "must name a command", "give one, such as /bin/sh")
    for name in ("args", "env"):
        for index, word in enumerate(getattr(spec.process, name)):
            if not isinstance(word, str) or "\0" in word:
                raise SpecError(f"/process/{name}/{index}", f"must be a string without NUL characters, not {word!r}")
    for name in ("hostname", "domainname"):
        # include/uapi/linux/utsname.h: __NEW_UTS_LEN.
        if len(getattr(spec, name).encode(errors="surrogateescape")) > 64:
            raise SpecError(f"/{name}", "must not be longer than 64 bytes")
    for index, entry in enumerate(spec.process.env):
        if entry.find("=") < 1:
            raise SpecError(f"/process/env/{index}", f"must be NAME=VALUE, not {entry!r}")
    seen: set[str] = set()
    for index, limit in enumerate(spec.process.rlimits):
        if limit.kind in seen:
            raise SpecError(f"/process/rlimits/{index}", f"{limit.kind} is given twice")
        if limit.soft > limit.hard:
            raise SpecError(f"/process/rlimits/{index}/soft", "must not exceed the hard limit")
        seen.add(limit.kind)
    if spec.process.scheduler:
        _scheduler(spec.process.scheduler)
    _namespaces(spec, spec.linux)
    _sysctls(spec.linux)
    _devices(spec.linux)
    validate_resources(spec.linux.resources)
    _net_devices(spec.linux)
    _id_maps(spec.linux.uid_mappings, "/linux/uidMappings")
    _id_maps(spec.linux.gid_mappings, "/linux/gidMappings")
    for index, mount in enumerate(spec.mounts):
        _id_maps(mount.uid_mappings, f"/mounts/{index}/uidMappings")
        _id_maps(mount.gid_mappings, f"/mounts/{index}/gidMappings")
    if spec.linux.seccomp:
        for index, rule in enumerate(spec.linux.seccomp.rules):
            if not rule.names:
                raise SpecError(f"/linux/seccomp/syscalls/{index}/names", "must name a system call")
        spec.linux.seccomp.check("/linux/seccomp")
    if spec.linux.memory_policy:
        _memory_policy(spec.linux.memory_policy)


def _namespaces(spec: Spec, linux: Linux) -> None:
    kinds: set[str] = set()
    for index, namespace in enumerate(linux.namespaces):
        if namespace.kind in kinds:
            raise SpecError(f"/linux/namespaces/{index}", f"{namespace.kind} is given twice")
        if namespace.path and namespace.kind == "time" and linux.time_offsets:
            raise SpecError("/linux/timeOffsets", "can be set in a new time namespace only")
        kinds.add(namespace.kind)
    # Others mount in the runtime's own mount namespace, over which a user namespace has no privilege.
    user = "user" in kinds
    needs = (
        ("mount", "/root/readonly", user and spec.root.readonly),
        ("mount", "/linux/rootfsPropagation", bool(linux.rootfs_propagation)),
        ("mount", "/mounts", user and bool(spec.mounts)),
        ("mount", "/linux/maskedPaths", user and bool(linux.masked_paths)),
        ("mount", "/linux/readonlyPaths", user and bool(linux.readonly_paths)),
        ("uts", "/hostname", bool(spec.hostname)),
        ("uts", "/domainname", bool(spec.domainname)),
        ("user", "/linux/uidMappings", bool(linux.uid_mappings)),
        ("user", "/linux/gidMappings", bool(linux.gid_mappings)),
        ("network", "/linux/netDevices", bool(linux.net_devices)),
        ("time", "/linux/timeOffsets", bool(linux.time_offsets)),
    )
    for kind, pointer, given in needs:
        if given and kind not in kinds:
            raise SpecError(pointer, f"needs a {kind} namespace in /linux/namespaces")
    if "user" in linux.new_kinds() and not (linux.uid_mappings and linux.gid_mappings):
        raise SpecError("/linux/uidMappings", "must be given, with gidMappings, for a new user namespace")


def _sysctls(linux: Linux) -> None:
    kinds = {namespace.kind for namespace in linux.namespaces}
    for name in linux.sysctl:
        pointer = f"/linux/sysctl/{escape(name)}"
        path = sysctl_path(name)
        if any(part in ("", ".", "..") for part in path.split("/")):
            raise SpecError(pointer, "is not the name of a kernel parameter", "write it as net.ipv4.ip_forward")
        if path == "kernel/hostname":
            raise SpecError(pointer, "is the host name, which has a property of its own", "use /hostname")
        kind = namespace_of(path)
        if kind is None:
            raise SpecError(pointer, "belongs to no namespace: set, it would change the host")
        if kind not in kinds:
            raise SpecError(pointer, f"needs a {kind} namespace in /linux/namespaces")


def _devices(linux: Linux) -> None:
    for index, device in enumerate(linux.devices):
        for name in ("major", "minor"):
            if device.kind != "p" and getattr(device, name) is None:
                raise SpecError(f"/linux/devices/{index}/{name}", "is required for a device that is no fifo")
        if any(part in (".", "..") for part in device.path.split("/")) or device.path.endswith("/"):
            raise SpecError(f"/linux/devices/{index}/path", f"must be the path of a file, not {device.path!r}")


def _scheduler(wanted: Scheduler) -> None:
    # sched(7); as runc's validator has it.
    if wanted.priority and wanted.policy not in ("SCHED_FIFO", "SCHED_RR"):
        raise SpecError("/process/scheduler/priority", "is for SCHED_FIFO and SCHED_RR only")
    if wanted.nice and wanted.policy not in ("SCHED_OTHER", "SCHED_BATCH"):
        raise SpecError("/process/scheduler/nice", "is for SCHED_OTHER and SCHED_BATCH only")
    for name in ("runtime", "deadline", "period"):
        if getattr(wanted, name) and wanted.policy != "SCHED_DEADLINE":
            raise SpecError(f"/process/scheduler/{name}", "is for SCHED_DEADLINE only")


def _id_maps(lines: tuple[IdMapping, ...], pointer: str) -> None:
    # user_namespaces(7), "Defining user and group ID mappings".
    if len(lines) > 340:
        raise SpecError(pointer, "has more than the 340 lines that the kernel takes")
    for index, line in enumerate(lines):
        if not line.size:
            raise SpecError(f"{pointer}/{index}/size", "must be at least 1")
        for name, attribute in (("containerID", "container_id"), ("hostID", "host_id")):
            first = getattr(line, attribute)
            if first + line.size > 2**32:
                raise SpecError(f"{pointer}/{index}/size", f"goes beyond the highest id from {name} {first} on")
            for other in lines[:index]:
                low = getattr(other, attribute)
                if low < first + line.size and first < low + other.size:
                    raise SpecError(f"{pointer}/{index}/{name}", f"overlaps with another line, from {low} on")


def _net_devices(linux: Linux) -> None:
    taken: dict[str, str] = {}
    for name, device in linux.net_devices.items():
        new = device.name or name
        if new in taken and "%" not in new:
            raise SpecError(f"/linux/netDevices/{escape(name)}", f"gets the same name as {taken[new]}, {new}")
        taken[new] = name


def _memory_policy(wanted: MemoryPolicy) -> None:
    # set_mempolicy(2).
    if wanted.mode in ("MPOL_DEFAULT", "MPOL_LOCAL") and wanted.nodes:
        raise SpecError("/linux/memoryPolicy/nodes", f"must be empty for {wanted.mode}")
    if wanted.mode not in ("MPOL_DEFAULT", "MPOL_LOCAL", "MPOL_PREFERRED") and not wanted.nodes:
        raise SpecError("/linux/memoryPolicy/nodes", f"must name a memory node for {wanted.mode}")
    if {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"} <= set(wanted.flags):
        raise SpecError("/linux/memoryPolicy/flags", "must not have both STATIC_NODES and RELATIVE_NODES")

"""The specification's rules that concern more than one property."""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.spec.model import Linux, Scheduler, Spec
from labkit.spec.section import escape
from labkit.spec.sysctl import namespace_of, sysctl_path

# Namespaces that this version makes and does not join, and why.
_NOT_JOINED = {
    "mount": "cannot be joined by this version of labkit, which mounts the root filesystem in a new one",
    "user": "cannot be joined by this version of labkit, which would have to read its id maps",
}


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
    _resources(spec.linux)


def _namespaces(spec: Spec, linux: Linux) -> None:
    kinds: set[str] = set()
    for index, namespace in enumerate(linux.namespaces):
        if namespace.kind in kinds:
            raise SpecError(f"/linux/namespaces/{index}", f"{namespace.kind} is given twice")
        if namespace.path and namespace.kind in _NOT_JOINED:
            why = f"a {namespace.kind} namespace {_NOT_JOINED[namespace.kind]}"
            raise SpecError(f"/linux/namespaces/{index}/path", why)
        if namespace.path and namespace.kind == "time" and linux.time_offsets:
            raise SpecError("/linux/timeOffsets", "can be set in a new time namespace only")
        kinds.add(namespace.kind)
    needs = (
        ("mount", "/mounts", bool(spec.mounts)),
        ("mount", "/linux/maskedPaths", bool(linux.masked_paths)),
        ("mount", "/linux/readonlyPaths", bool(linux.readonly_paths)),
        ("uts", "/hostname", bool(spec.hostname)),
        ("uts", "/domainname", bool(spec.domainname)),
        ("user", "/linux/uidMappings", bool(linux.uid_mappings)),
        ("user", "/linux/gidMappings", bool(linux.gid_mappings)),
        ("time", "/linux/timeOffsets", bool(linux.time_offsets)),
    )
    for kind, pointer, given in needs:
        if given and kind not in kinds:
            raise SpecError(pointer, f"needs a {kind} namespace in /linux/namespaces")
    if "mount" not in kinds:
        raise SpecError("/linux/namespaces", "must have a mount namespace", "the root filesystem is mounted in it")
    if "user" in kinds and not (linux.uid_mappings and linux.gid_mappings):
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


def _resources(linux: Linux) -> None:
    cpu = linux.resources.cpu
    if cpu.quota is not None and 0 < cpu.quota < 1000:
        raise SpecError("/linux/resources/cpu/quota", "must be at least 1000 microseconds, the kernel's minimum")
    if cpu.period is not None and not 1000 <= cpu.period <= 1_000_000:
        raise SpecError("/linux/resources/cpu/period", "must be between 1000 and 1000000 microseconds")
    memory = linux.resources.memory
    if memory.swap is not None and memory.limit is None and memory.swap > 0:
        raise SpecError("/linux/resources/memory/swap", "needs a memory limit: it counts memory and swap together")
    if memory.swap is not None and memory.limit is not None and 0 < memory.swap < memory.limit:
        raise SpecError("/linux/resources/memory/swap", "must be at least the memory limit, which it includes")

"""From what a person asks for to a configuration: the one place behind `Container(...)` and `labkit run`."""

from __future__ import annotations

import os

from labkit.engine.identity import resolve
from labkit.errors import LabkitError
from labkit.linux.capabilities import NUMBERS
from labkit.linux.libc import MACHINE
from labkit.linux.namespaces import NAMESPACES
from labkit.linux.process import RLIMITS
from labkit.plan.build import OVERLAY_ANNOTATION
from labkit.spec import default
from labkit.spec.model import Cpu, IdMapping, Memory, Mount, Namespace, Pids, Rlimit, Seccomp, Spec, TimeOffset, User
from labkit.spec.seccomp_default import default_profile
from labkit.spec.units import parse_bytes, parse_count, parse_cpus
from labkit.spec.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PERIOD = 100_000


def configure(
    rootfs: str,
    args: Iterable[str],
    *,
    memory: str | int | None = None,
    cpus: str | float | None = None,
    pids: str | int | None = None,
    user: str | int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    hostname: str | None = None,
    readonly: bool = False,
    overlay: bool = True,
    namespaces: Iterable[str] | None = None,
    time_offsets: Mapping[str, int] | None = None,
    capabilities: Iterable[str] | None = None,
    cap_add: Iterable[str] = (),
    cap_drop: Iterable[str] = (),
    no_new_privileges: bool = True,
    seccomp: str = "default",
    volumes: Iterable[str] = (),
    rlimits: Mapping[str, int | tuple[int, int]] | None = None,
) -> Spec:
    """The configuration of a container that runs `args` in the root filesystem `rootfs`.

    memory: bytes, or text such as `64M`; swap is not allowed beyond it. cpus: CPUs' worth of time, such as 0.5.
    pids: the largest number of processes and threads. user: `name`, `uid`, either with `:group`. env is added to the
    default PATH and HOME. overlay: writes go to a tmpfs over the root filesystem, which stays as it is. namespaces:
    the kinds to make anew (default pid, network, ipc, uts, mount, cgroup; for an ordinary user also `user`).
    time_offsets: seconds by clock, `monotonic` or `boottime`. capabilities: names that replace Docker's fourteen.
    seccomp: `default` or `none`. volumes: `/host/path:/path` with `:ro`. rlimits: limits by name, `NOFILE`.

    Raises LabkitError, with a hint, for anything that cannot be.
    """
    if isinstance(args, str | bytes):
        raise LabkitError(f"the command is one string, {args!r}", "give a list of words: ['sh', '-c', '…']")
    command = tuple(args)
    if not command:
        raise LabkitError("no command was given", "put it at the end: -- COMMAND ARGUMENTS")
    spec = default.spec(os.path.abspath(rootfs), command)
    spec.root.readonly = readonly
    if overlay and not readonly:
        spec.annotations[OVERLAY_ANNOTATION] = "tmpfs"
    _namespaces(spec, namespaces, time_offsets)
    _identity(spec, user, env, cwd)
    if hostname is not None:
        spec.hostname = hostname
    _limits(spec, memory, cpus, pids, rlimits)
    names = _capabilities(default.CAPABILITIES if capabilities is None else capabilities, cap_add, cap_drop)
    spec.process.capabilities = default.capabilities(names)
    spec.process.no_new_privileges = no_new_privileges
    spec.linux.seccomp = _seccomp(seccomp, names)
    spec.mounts += tuple(_volume(text) for text in volumes)
    validate(spec)
    return spec


def _namespaces(spec: Spec, wanted: Iterable[str] | None, offsets: Mapping[str, int] | None) -> None:
    kinds = list(default.NAMESPACES if wanted is None else dict.fromkeys(wanted))
    unknown = [kind for kind in kinds if kind not in NAMESPACES]
    if unknown:
        raise LabkitError(f"{unknown[0]!r} is no kind of namespace", f"the kinds are {', '.join(NAMESPACES)}")
    if offsets and "time" not in kinds:
        kinds.append("time")
    if os.geteuid() != 0 and "user" not in kinds:
        kinds.append("user")
    if "user" in kinds:
        # root maps a whole range, an ordinary user the one id it has.
        ordinary = os.geteuid() != 0
        size = 1 if ordinary else 65536
        spec.linux.uid_mappings = (IdMapping(host_id=os.geteuid() if ordinary else _first_subordinate(), size=size),)
        spec.linux.gid_mappings = (IdMapping(host_id=os.getegid() if ordinary else _first_subordinate(), size=size),)
    spec.linux.namespaces = tuple(Namespace(kind=kind) for kind in kinds)
    if "uts" not in kinds:
        spec.hostname = ""
    without = {"ipc": ("mqueue",), "cgroup": ("cgroup",), "pid": ()}
    for kind, filesystems in without.items():
        if kind not in kinds:
            spec.mounts = tuple(mount for mount in spec.mounts if mount.kind not in filesystems)
    for clock in offsets or {}:
        if clock not in ("monotonic", "boottime"):
            raise LabkitError(f"no clock {clock!r} can be shifted", "time_namespaces(7) has monotonic and boottime")
    spec.linux.time_offsets = {clock: TimeOffset(secs=int(seconds)) for clock, seconds in (offsets or {}).items()}


def _first_subordinate() -> int:
    """The first host id for a user namespace of root: above every ordinary user's (login.defs, SUB_UID_MIN)."""
    return 100_000


def _identity(spec: Spec, user: str | int | None, env: Mapping[str, str] | None, cwd: str) -> None:
    home = "/root"
    if user is not None:
        uid, gid, groups, home = resolve(spec.root.path, str(user))
        spec.process.user = User(uid=uid, gid=gid, additional_gids=groups)
    variables = dict(entry.split("=", 1) for entry in spec.process.env) | {"HOME": home} | dict(env or {})
    spec.process.env = tuple(f"{name}={value}" for name, value in variables.items())
    if not cwd.startswith("/"):
        raise LabkitError(f"working folder {cwd!r} is not an absolute path", "write it from / on, as inside")
    spec.process.cwd = cwd


def _limits(
    spec: Spec,
    memory: str | int | None,
    cpus: str | float | None,
    pids: str | int | None,
    rlimits: Mapping[str, int | tuple[int, int]] | None,
) -> None:
    resources = spec.linux.resources
    if memory is not None:
        limit = parse_bytes(memory, "memory limit")
        resources.memory = Memory(limit=limit, swap=limit)
    if cpus is not None:
        resources.cpu = Cpu(quota=int(parse_cpus(cpus, "CPU limit") * _PERIOD), period=_PERIOD)
    if pids is not None:
        resources.pids = Pids(limit=parse_count(pids, "process limit"))
    spec.process.rlimits = tuple(_rlimit(name, value) for name, value in (rlimits or {}).items())


def _rlimit(name: str, value: int | tuple[int, int]) -> Rlimit:
    kind = f"RLIMIT_{name.upper().removeprefix('RLIMIT_')}"
    if kind not in RLIMITS:
        names = ", ".join(known.removeprefix("RLIMIT_").lower() for known in RLIMITS)
        raise LabkitError(f"no limit is called {name!r}", f"getrlimit(2) has {names}")
    pair = value if isinstance(value, tuple) else (value, value)
    if any(not -1 <= number < 2**64 for number in pair):
        raise LabkitError(f"{name} limit {value!r} is out of range", "write a number, or -1 for no limit")
    soft, hard = (2**64 - 1 if number == -1 else number for number in pair)
    return Rlimit(kind=kind, soft=soft, hard=hard)


def _capabilities(base: Iterable[str], add: Iterable[str], drop: Iterable[str]) -> tuple[str, ...]:
    names = {_capability(name): None for name in base}
    for name in drop:
        if name.upper() == "ALL":
            names.clear()
        else:
            names.pop(_capability(name), None)
    for name in add:
        names |= dict.fromkeys(NUMBERS if name.upper() == "ALL" else [_capability(name)])
    return tuple(names)


def _capability(name: str) -> str:
    full = name.upper() if name.upper().startswith("CAP_") else f"CAP_{name.upper()}"
    if full not in NUMBERS:
        raise LabkitError(f"{name!r} is not a capability", "capabilities(7) lists them, as NET_ADMIN")
    return full


def _seccomp(name: str, capabilities: tuple[str, ...]) -> Seccomp | None:
    if name == "none":
        return None
    if name == "default":
        return default_profile(capabilities, MACHINE)
    raise LabkitError(f"no seccomp profile {name!r}", "the profiles are default and none")


def _volume(text: str) -> Mount:
    source, _, rest = text.partition(":")
    destination, _, mode = rest.partition(":")
    if not source.startswith("/") or not destination.startswith("/") or mode not in ("", "ro", "rw"):
        raise LabkitError(f"volume {text!r} is not understood", "write /host/path:/path or /host/path:/path:ro")
    if not os.path.exists(source):
        raise LabkitError(f"volume {source}: no such file or folder", "make it first")
    # No `rw`: what the host mounted read-only stays so.
    options = ("rbind", "rnosuid", "rnodev", *(("rro",) if mode == "ro" else ()))
    return Mount(destination=destination, kind="bind", source=source, options=options)

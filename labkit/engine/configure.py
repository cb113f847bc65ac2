"""From what a person asks for to a configuration: the one place behind `Container(...)` and `labkit run`."""

from __future__ import annotations

import os

from labkit.engine.identity import resolve
from labkit.errors import LabkitError
from labkit.linux import capabilities
from labkit.linux.namespaces import NAMESPACES
from labkit.linux.process import RLIMITS
from labkit.plan.build import OVERLAY_ANNOTATION
from labkit.spec import default
from labkit.spec.model import (
    Cpu,
    IdMapping,
    Memory,
    Mount,
    Namespace,
    Pids,
    Process,
    Resources,
    Rlimit,
    Spec,
    TimeOffset,
    User,
)
from labkit.spec.seccomp_profiles import profile
from labkit.spec.units import parse_bytes, parse_count, parse_cpus
from labkit.spec.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labkit.spec.seccomp_profiles import Wanted

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
    seccomp: Wanted = "default",
    volumes: Iterable[str] = (),
    rlimits: Mapping[str, int | tuple[int, int]] | None = None,
    terminal: bool = False,
    network: str | None = None,
    publish: Iterable[str] = (),
    userns: str | None = None,
) -> Spec:
    """The configuration of a container that runs `args` in the root filesystem `rootfs`.

    memory: bytes, or text such as `64M`; swap is not allowed beyond it. cpus: CPUs' worth of time, such as 0.5.
    pids: the largest number of processes and threads. user: `name`, `uid`, either with `:group`. env is added to the
    default PATH and HOME. overlay: writes go to a tmpfs over the root filesystem, which stays as it is. namespaces:
    the kinds to make anew (default pid, network, ipc, uts, mount, cgroup; for an ordinary user also `user`).
    time_offsets: seconds by clock, `monotonic` or `boottime`. capabilities: names that replace Docker's fourteen.
    seccomp: `default`, `strict`, `none`, or a JSON file of your own. volumes: `/host/path:/path` with `:ro`, or with
    `:idmap` for the owners on the disk. rlimits: limits by name, `NOFILE`. terminal: it has one as stdin, stdout and
    stderr.
    network: `none` (the default), `host`, `bridge`, `bridge:NAME`, `slirp`, `pasta` or `container:ID`. publish: ports
    of the host that lead inside, `[ip:]8080:80[/udp]`. userns: `auto`, `host` or id maps (see labkit.engine.users).

    Raises LabkitError, with a hint, for anything that cannot be.
    """
    spec = default.spec(os.path.abspath(rootfs), _command(args))
    spec.process.terminal = terminal
    spec.root.readonly = readonly
    if overlay and not readonly:
        spec.annotations[OVERLAY_ANNOTATION] = "tmpfs"
    _namespaces(spec, namespaces, time_offsets)
    if userns is not None:
        # Imported here: most containers have the default.
        from labkit.engine import users

        users.configure(spec, userns)
    _identity(spec, user, env, cwd)
    if hostname is not None:
        spec.hostname = hostname
    set_limits(spec.linux.resources, memory, cpus, pids)
    spec.process.rlimits = tuple(_rlimit(name, value) for name, value in (rlimits or {}).items())
    names = capability_names(default.CAPABILITIES if capabilities is None else capabilities, cap_add, cap_drop)
    spec.process.capabilities = default.capabilities(names)
    spec.process.no_new_privileges = no_new_privileges
    spec.linux.seccomp = profile(seccomp, names)
    if network is not None or publish:
        # Imported here: most containers have none.
        from labkit.engine import network as networks

        networks.configure(spec, network or "none", publish, OVERLAY_ANNOTATION in spec.annotations)
    spec.mounts += tuple(_volume(text) for text in volumes)
    validate(spec)
    return spec


def further(
    spec: Spec,
    args: Iterable[str],
    rootfs: str,
    *,
    user: str | int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    terminal: bool = False,
) -> Spec:
    """The configuration of one more process in the container of `spec`, like its first but for what is given.

    `rootfs` is where the container's files are seen from here, in which the user's name is looked up. Raises
    LabkitError as `configure`.
    """
    first = {name: getattr(spec.process, name) for name in Process.PROPERTIES}
    more = Spec(**{name: getattr(spec, name) for name in Spec.PROPERTIES})
    more.process = Process(**first | {"args": _command(args), "terminal": terminal, "console_size": None})
    variables = dict(entry.split("=", 1) for entry in spec.process.env)
    if user is not None:
        uid, gid, groups, variables["HOME"] = resolve(rootfs, str(user))
        more.process.user = User(uid=uid, gid=gid, additional_gids=groups)
    more.process.env = tuple(f"{name}={value}" for name, value in (variables | dict(env or {})).items())
    if cwd is not None:
        more.process.cwd = _absolute(cwd)
    validate(more)
    return more


def _command(args: Iterable[str]) -> tuple[str, ...]:
    if isinstance(args, str | bytes):
        raise LabkitError(f"the command is one string, {args!r}", "give a list of words: ['sh', '-c', '…']")
    command = tuple(args)
    if not command:
        raise LabkitError("no command was given", "put it at the end: -- COMMAND ARGUMENTS")
    return command


def _absolute(cwd: str) -> str:
    if not cwd.startswith("/"):
        raise LabkitError(f"working folder {cwd!r} is not an absolute path", "write it from / on, as inside")
    return cwd


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
    spec.process.cwd = _absolute(cwd)


def set_limits(
    resources: Resources, memory: str | int | None, cpus: str | float | None, pids: str | int | None
) -> None:
    """Set in `resources` the limits that are given, in the words of `configure`."""
    if memory is not None:
        limit = parse_bytes(memory, "memory limit")
        resources.memory = Memory(limit=limit, swap=limit)
    if cpus is not None:
        resources.cpu = Cpu(quota=int(parse_cpus(cpus, "CPU limit") * _PERIOD), period=_PERIOD)
    if pids is not None:
        resources.pids = Pids(limit=parse_count(pids, "process limit"))


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


def capability_names(base: Iterable[str], add: Iterable[str], drop: Iterable[str]) -> tuple[str, ...]:
    """The capabilities `base` without `drop` and with `add`, where ALL is every one that the kernel has."""
    names = {_capability(name): None for name in base}
    for name in drop:
        if name.upper() == "ALL":
            names.clear()
        else:
            names.pop(_capability(name), None)
    for name in add:
        names |= dict.fromkeys(_all_capabilities() if name.upper() == "ALL" else [_capability(name)])
    return tuple(names)


def _all_capabilities() -> list[str]:
    return capabilities.names((1 << capabilities.last_capability() + 1) - 1)


def _capability(name: str) -> str:
    full = name.upper() if name.upper().startswith("CAP_") else f"CAP_{name.upper()}"
    if capabilities.number(full) is None:
        from labkit.spec.near import did_you_mean

        hint = did_you_mean(full, capabilities.NUMBERS, "capabilities(7) lists them, as NET_ADMIN; labkit caps explain")
        raise LabkitError(f"{name!r} is not a capability", hint)
    return full


def _volume(text: str) -> Mount:
    source, _, rest = text.partition(":")
    destination, _, mode = rest.partition(":")
    words = set(mode.split(",")) if mode else set()
    if not source.startswith("/") or not destination.startswith("/") or not words <= {"ro", "rw", "idmap"}:
        raise LabkitError(f"volume {text!r} is not understood", "write /host/path:/path or /host/path:/path:ro,idmap")
    if not os.path.exists(source):
        raise LabkitError(f"volume {source}: no such file or folder", "make it first")
    # No `rw`: what the host mounted read-only stays so.
    options = ("rbind", "rnosuid", "rnodev", *(("rro",) if "ro" in words else ()))
    # With the container's own maps: what is root's on the disk is root's inside (mount_setattr(2)).
    options += ("ridmap",) if "idmap" in words else ()
    return Mount(destination=destination, kind="bind", source=source, options=options)

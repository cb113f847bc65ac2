"""config.json, process: what runs, as whom, and with what it may do (OCI runtime-spec: config.md, config-linux.md)."""

from __future__ import annotations

from labkit.linux.process import RLIMITS
from labkit.linux.scheduling import IOPRIO_CLASSES, POLICIES, SCHED_FLAGS
from labkit.spec.lists import number_list
from labkit.spec.section import UINT32, UINT64, Section, absolute, array, boolean, integer, one_of, text


class User(Section):
    """process.user: numeric ids inside the container."""

    __slots__ = ("additional_gids", "gid", "uid", "umask")
    uid: int
    gid: int
    umask: int | None
    additional_gids: tuple[int, ...]
    PROPERTIES = {
        "uid": ("uid", UINT32, 0),
        "gid": ("gid", UINT32, 0),
        "umask": ("umask", integer(0, 0o777), None),
        "additional_gids": ("additionalGids", array(UINT32), ()),
    }


class CapabilitySets(Section):
    """process.capabilities: five lists of names."""

    __slots__ = ("ambient", "bounding", "effective", "inheritable", "permitted")
    bounding: tuple[str, ...]
    effective: tuple[str, ...]
    inheritable: tuple[str, ...]
    permitted: tuple[str, ...]
    ambient: tuple[str, ...]
    PROPERTIES = {
        "bounding": ("bounding", array(text), ()),
        "effective": ("effective", array(text), ()),
        "inheritable": ("inheritable", array(text), ()),
        "permitted": ("permitted", array(text), ()),
        "ambient": ("ambient", array(text), ()),
    }


class Rlimit(Section):
    """One of process.rlimits."""

    __slots__ = ("hard", "kind", "soft")
    kind: str
    soft: int
    hard: int
    REQUIRED = ("type", "soft", "hard")
    PROPERTIES = {
        "kind": ("type", one_of(tuple(RLIMITS)), ""),
        "soft": ("soft", UINT64, 0),
        "hard": ("hard", UINT64, 0),
    }


class IoPriority(Section):
    """process.ioPriority: the class at the disks, and 0 (served first) to 7 within it."""

    __slots__ = ("kind", "priority")
    kind: str
    priority: int
    REQUIRED = ("class",)
    PROPERTIES = {
        "kind": ("class", one_of(tuple(IOPRIO_CLASSES)), ""),
        "priority": ("priority", integer(0, 7), 0),
    }


class Scheduler(Section):
    """process.scheduler, as sched_setattr(2) takes it; the three times in nanoseconds."""

    __slots__ = ("deadline", "flags", "nice", "period", "policy", "priority", "runtime")
    policy: str
    nice: int
    priority: int
    flags: tuple[str, ...]
    runtime: int
    deadline: int
    period: int
    REQUIRED = ("policy",)
    PROPERTIES = {
        "policy": ("policy", one_of(tuple(POLICIES)), ""),
        "nice": ("nice", integer(-20, 19), 0),
        "priority": ("priority", integer(0, 99), 0),
        "flags": ("flags", array(one_of(tuple(SCHED_FLAGS))), ()),
        "runtime": ("runtime", UINT64, 0),
        "deadline": ("deadline", UINT64, 0),
        "period": ("period", UINT64, 0),
    }


class ConsoleSize(Section):
    """process.consoleSize: the terminal's size in characters."""

    __slots__ = ("height", "width")
    height: int
    width: int
    REQUIRED = ("height", "width")
    # struct winsize of ioctl_tty(2).
    PROPERTIES = {"height": ("height", integer(0, 2**16 - 1), 0), "width": ("width", integer(0, 2**16 - 1), 0)}


class ExecAffinity(Section):
    """process.execCPUAffinity: the CPUs of a process that exec adds, before and after it enters the cgroups.

    Both are lists for spec.lists.parse_list; the container's first process has no use for them.
    """

    __slots__ = ("final", "initial")
    initial: str
    final: str
    PROPERTIES = {"initial": ("initial", number_list, ""), "final": ("final", number_list, "")}


class Process(Section):
    """process: what runs, and as whom."""

    __slots__ = (
        "apparmor_profile",
        "args",
        "capabilities",
        "console_size",
        "cwd",
        "env",
        "exec_affinity",
        "io_priority",
        "no_new_privileges",
        "oom_score_adj",
        "rlimits",
        "scheduler",
        "selinux_label",
        "terminal",
        "user",
    )
    terminal: bool
    console_size: ConsoleSize | None
    user: User
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    capabilities: CapabilitySets | None
    rlimits: tuple[Rlimit, ...]
    no_new_privileges: bool
    oom_score_adj: int | None
    io_priority: IoPriority | None
    scheduler: Scheduler | None
    apparmor_profile: str
    selinux_label: str
    exec_affinity: ExecAffinity | None
    REQUIRED = ("args", "cwd")
    REFUSED = {}
    PROPERTIES = {
        "terminal": ("terminal", boolean, False),
        "console_size": ("consoleSize", ConsoleSize.load, None),
        "user": ("user", User.load, User()),
        "args": ("args", array(text), ()),
        "env": ("env", array(text), ()),
        "cwd": ("cwd", absolute, "/"),
        "capabilities": ("capabilities", CapabilitySets.load, None),
        "rlimits": ("rlimits", array(Rlimit.load), ()),
        "no_new_privileges": ("noNewPrivileges", boolean, False),
        "oom_score_adj": ("oomScoreAdj", integer(-1000, 1000), None),
        "io_priority": ("ioPriority", IoPriority.load, None),
        "scheduler": ("scheduler", Scheduler.load, None),
        "apparmor_profile": ("apparmorProfile", text, ""),
        "selinux_label": ("selinuxLabel", text, ""),
        "exec_affinity": ("execCPUAffinity", ExecAffinity.load, None),
    }

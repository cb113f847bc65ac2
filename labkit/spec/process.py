"""config.json, process: what runs, as whom, and with what it may do (OCI runtime-spec: config.md, config-linux.md)."""

from __future__ import annotations

from labkit.linux.process import RLIMITS
from labkit.spec.section import LATER, UINT32, UINT64, Section, absolute, array, boolean, integer, one_of, text


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


class Process(Section):
    """process: what runs, and as whom."""

    __slots__ = (
        "args",
        "capabilities",
        "cwd",
        "env",
        "no_new_privileges",
        "oom_score_adj",
        "rlimits",
        "terminal",
        "user",
    )
    terminal: bool
    user: User
    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    capabilities: CapabilitySets | None
    rlimits: tuple[Rlimit, ...]
    no_new_privileges: bool
    oom_score_adj: int | None
    REQUIRED = ("args", "cwd")
    REFUSED = {
        "terminal": LATER,
        "apparmorProfile": LATER,
        "selinuxLabel": LATER,
        "scheduler": LATER,
        "ioPriority": LATER,
        "execCPUAffinity": LATER,
    }
    PROPERTIES = {
        "terminal": ("terminal", boolean, False),
        "user": ("user", User.load, User()),
        "args": ("args", array(text), ()),
        "env": ("env", array(text), ()),
        "cwd": ("cwd", absolute, "/"),
        "capabilities": ("capabilities", CapabilitySets.load, None),
        "rlimits": ("rlimits", array(Rlimit.load), ()),
        "no_new_privileges": ("noNewPrivileges", boolean, False),
        "oom_score_adj": ("oomScoreAdj", integer(-1000, 1000), None),
    }

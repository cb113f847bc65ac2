"""The last steps of a process that is inside the container with every privilege: to its program, with what is wanted.

The order has its reasons: from the privilege that is needed last to the one given up first, the filter late, the
program last.
"""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.linux import capabilities
from labkit.plan import execute, home, process
from labkit.plan.facts import Facts
from labkit.plan.manner import Manner
from labkit.plan.step import Step
from labkit.spec.linux import host_id
from labkit.spec.model import CapabilitySets, Spec

KEEP_GROUPS_ANNOTATION = "run.oci.keep_original_groups"

# What the steps need of open files at once, with room.
_FEW_FILES = 64


def become(
    spec: Spec, facts: Facts, seccomp: tuple[str, bytes] | None, notes: list[str], manner: Manner
) -> tuple[Step, ...]:
    """The steps from a process inside the container, with every privilege, to its program."""
    wanted = spec.process
    # With so few open files the steps themselves could not go on; to lower a limit takes no privilege.
    scarce = [limit for limit in wanted.rlimits if limit.kind == "RLIMIT_NOFILE" and limit.soft < _FEW_FILES]
    limits = [limit for limit in wanted.rlimits if limit not in scarce]
    steps: list[Step] = [process.SetRlimit(limit.hard, limit.kind, limit.soft) for limit in limits]
    if spec.linux.personality or spec.linux.memory_policy or wanted.io_priority or wanted.scheduler:
        steps += _scheduling(spec)
    bits = _capability_masks(wanted.capabilities, facts, "user" in spec.linux.kinds(), notes)
    steps.append(process.TryFolder(wanted.cwd))
    steps.append(process.DropBounding(bits["bounding"], facts.last_capability))
    if not any(entry.startswith("HOME=") for entry in wanted.env):
        steps.append(home.FindHome(wanted.user.uid))
    steps.append(_set_user(spec, facts, notes))
    # A change of ids has made it what fs.suid_dumpable says (proc_sys_fs(5)). A user's listener is passed on later.
    if facts.euid == 0 or not (spec.linux.seccomp and spec.linux.seccomp.notifies()):
        steps.append(process.NotDumpable())
    sets = process.SetCapabilities(*(bits[name] for name in process.SetCapabilities.__slots__))
    # Without no_new_privs only CAP_SYS_ADMIN may load a filter; and what comes before it need not be allowed by it.
    early = seccomp if not wanted.no_new_privileges else None
    admin = 1 << capabilities.NUMBERS["CAP_SYS_ADMIN"]
    holding = process.KeepSysAdmin(sets.effective | admin, sets.inheritable, sets.permitted | admin)
    steps.append(holding if early else sets)
    steps.append(process.EnterFolder(wanted.cwd))
    environment = dict(entry.split("=", 1) for entry in wanted.env)
    search = environment.get("PATH", execute.DEFAULT_PATH)
    if manner.held:
        steps.append(execute.FindProgram(wanted.args[0], search))
    steps.append(execute.GuardInterpreter(wanted.args[0], search))
    steps += [process.SetRlimit(limit.hard, limit.kind, limit.soft) for limit in scarce]
    if manner.held:
        from labkit.plan.hold import LetGo

        steps.append(LetGo(manner.preserve))
    steps.append(process.CloseDescriptors(manner.preserve))
    if early:
        steps += [_load_seccomp(spec, early), sets]
    if wanted.no_new_privileges:
        steps.append(process.NoNewPrivileges())
    # One that is left to itself, and does not wait to be started, is to live on from here.
    if manner.held or not manner.left:
        steps.append(process.DieWithParent())
    if seccomp and not early:
        steps.append(_load_seccomp(spec, seccomp))
    steps.append(execute.Execute(wanted.args, wanted.env))
    return tuple(steps)


def _scheduling(spec: Spec) -> list[Step]:
    from labkit.plan import scheduling
    from labkit.spec.lists import parse_list

    wanted = spec.process
    steps: list[Step] = []
    if spec.linux.personality:
        steps.append(scheduling.SetPersonality(spec.linux.personality.domain))
    if spec.linux.memory_policy:
        policy = spec.linux.memory_policy
        steps.append(scheduling.SetMemoryPolicy(policy.flags, policy.mode, parse_list(policy.nodes)))
    if wanted.io_priority:
        steps.append(scheduling.SetIoPriority(wanted.io_priority.kind, wanted.io_priority.priority))
    if wanted.scheduler:
        values = wanted.scheduler
        steps.append(scheduling.SetScheduler(*(getattr(values, name) for name in scheduling.SetScheduler.__slots__)))
    return steps


def _load_seccomp(spec: Spec, seccomp: tuple[str, bytes]) -> process.LoadSeccomp:
    wanted = spec.linux.seccomp
    if wanted is None:
        return process.LoadSeccomp((), "", "", *seccomp)
    listener = wanted.listener_path if wanted.notifies() else ""
    return process.LoadSeccomp(wanted.flags, listener, wanted.listener_metadata, *seccomp)


def _set_user(spec: Spec, facts: Facts, notes: list[str]) -> Step:
    user = spec.process.user
    groups: tuple[int, ...] | None = user.additional_gids
    # podman's --group-add keep-groups, by which a user's own files on the host stay accessible.
    if KEEP_GROUPS_ANNOTATION in spec.annotations:
        groups = None
    umask = 0o022 if user.umask is None else user.umask
    if "user" not in spec.linux.kinds():
        return process.SetUser(user.gid, groups, user.uid, umask)
    for what, number, maps in (("uid", user.uid, spec.linux.uid_mappings), ("gid", user.gid, spec.linux.gid_mappings)):
        if host_id(number, maps) is None:
            raise SpecError(
                f"/process/user/{what}",
                f"{number} is not in the user namespace's map",
                "an ordinary user has one id to map, or with --userns auto those that /etc/subuid gives",
            )
    if setgroups_denied(facts, spec):
        if groups:
            raise SpecError("/process/user/additionalGids", "an ordinary user's namespace cannot set groups")
        notes.append("the caller's supplementary groups stay: without privilege setgroups(2) must be denied")
        groups = None
    return process.SetUser(user.gid, groups, user.uid, umask)


def setgroups_denied(facts: Facts, spec: Spec) -> bool:
    """Whether writing the gid map needs setgroups denied first (user_namespaces(7)).

    So it is where the caller lacks CAP_SETGID and maps its own gid alone; more of them newgidmap(1) maps.
    """
    several = sum(line.size for line in spec.linux.gid_mappings) > 1
    return not facts.permitted >> capabilities.NUMBERS["CAP_SETGID"] & 1 and not several


def _capability_masks(
    wanted: CapabilitySets | None, facts: Facts, user_namespace: bool, notes: list[str]
) -> dict[str, int]:
    if wanted is None:
        # As runc and crun: who names none gets none.
        wanted = CapabilitySets()
    known = (1 << facts.last_capability + 1) - 1
    # A new user namespace gives its first process every capability in it.
    possible = known if user_namespace else facts.permitted & known
    bits = {}
    for name in capabilities.SETS:
        names: tuple[str, ...] = getattr(wanted, name)
        # The specification asks for a warning here, not for an error (config.md, capabilities).
        unknown = [item for item in names if capabilities.number(item) is None]
        if unknown:
            pointer = f"/process/capabilities/{name}"
            notes.append(f"warning: config.json#{pointer}: {', '.join(unknown)}: not a capability, and left out")
        asked = capabilities.mask(tuple(item for item in names if item not in unknown))
        if asked & ~possible:
            missing = ", ".join(capabilities.names(asked & ~possible))
            notes.append(f"{name} capabilities that this host cannot grant are left out: {missing}")
        bits[name] = asked & possible
    if bits["effective"] & ~bits["permitted"]:
        raise SpecError("/process/capabilities/effective", "must be among the permitted")
    if bits["inheritable"] & ~bits["bounding"]:
        extra = ", ".join(capabilities.names(bits["inheritable"] & ~bits["bounding"]))
        raise SpecError("/process/capabilities/inheritable", f"must be among the bounding (capset(2)): {extra}")
    # `runc spec` itself writes ambient capabilities that are not inheritable, which the kernel refuses.
    impossible = bits["ambient"] & ~(bits["permitted"] & bits["inheritable"])
    if impossible:
        notes.append(f"not inheritable, so not ambient either: {', '.join(capabilities.names(impossible))}")
    bits["ambient"] &= ~impossible
    return bits

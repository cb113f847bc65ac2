"""The child's steps for a configuration: a pure function of the specification and the host's facts.

The order is the container's construction, and every place in it has its reason: names first, then the file tree from
the root down, then the root itself, then privileges from the last needed to the first given up, the program last.

Modules of steps that few containers have are imported where such a step is made.
"""

from __future__ import annotations

import errno

from labkit.errors import LabkitError, SpecError
from labkit.linux import capabilities
from labkit.plan import execute, filesystems, home, labels, mounts, process
from labkit.plan.facts import Facts
from labkit.plan.manner import Manner
from labkit.plan.options import sorted_options
from labkit.plan.step import Step
from labkit.spec.linux import host_id
from labkit.spec.model import CapabilitySets, Mount, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.plan.hook import Program

# An annotation because config.json has no word for it: the root is an image that must stay as it is.
OVERLAY_ANNOTATION = "dev.labkit.root.overlay"
# As above: the image's files have in the container the owners that they have on the disk (mount_setattr(2)).
IDMAP_ANNOTATION = "dev.labkit.root.idmap"
NETWORK_ANNOTATION = "dev.labkit.network"
KEEP_GROUPS_ANNOTATION = "run.oci.keep_original_groups"

_CLONE_HINTS = {
    errno.EMFILE: "too many open files: raise the limit with ulimit -n, or run fewer containers at once",
    errno.EAGAIN: "too many processes: see ulimit -u, and pids.max of the caller's own cgroup",
    errno.ENOSPC: "too many namespaces; see: sysctl user",
    errno.ENOMEM: "the host, or the caller's own cgroup, is out of memory",
}

# What the steps need of open files at once, with room.
_FEW_FILES = 64

# What the child waits for, in the words of both AwaitParent and Release.
IDS_MAPPED = "its ids are mapped"
INTERFACES_MOVED = "its interfaces are moved"
CONNECTED = "its network is connected"


def kinds(spec: Spec) -> tuple[str, ...]:
    """The kinds of namespace the configuration asks for."""
    return spec.linux.kinds()


def new_kinds(spec: Spec) -> tuple[str, ...]:
    """Those of them that are made anew and not joined by path."""
    return spec.linux.new_kinds()


def clone_kinds(spec: Spec) -> tuple[str, ...]:
    """Those of the new ones that clone3 makes: all but the cgroup namespace, and a time namespace with offsets."""
    left = {"cgroup"} | ({"time"} if spec.linux.time_offsets else set())
    return tuple(kind for kind in new_kinds(spec) if kind not in left)


def child_steps(
    spec: Spec,
    facts: Facts,
    scratch: str,
    seccomp: tuple[str, bytes] | None,
    notes: list[str],
    joins: tuple[Step, ...] = (),
    id: str = "",
    manner: Manner | None = None,
) -> tuple[Step, ...]:
    """The ordered steps of the new process; what the host cannot give is added to `notes`.

    `scratch` is its state folder, on which an overlay is built; `seccomp` is the filter's name and its BPF program;
    `joins` are the steps by which it enters its cgroups.
    """
    manner = manner or Manner()
    has = new_kinds(spec)
    rootless = "user" in kinds(spec)
    # Before anything is made, so that it counts; and while the ids are still those of the cgroups' maker.
    steps: list[Step] = [process.CloseInherited(manner.preserve)]
    if facts.euid == 0:
        # An ordinary user's parent has no CAP_SYS_PTRACE, and could not write the maps of a process that is hidden.
        steps.append(process.NotDumpable())
    if manner.left:
        steps.append(process.DieWithParent())
    if manner.held:
        from labkit.plan.hold import OpenFifo

        steps.append(OpenFifo(scratch))
    steps += joins
    # After it has joined: the kernel gives a new session a share of the CPU of its own (sched(7), autogroup), and a
    # process whose share changes goes to the end of the queue; in a cgroup of its own its share is that one's.
    steps.append(process.NewSession())
    if "cgroup" in has:
        from labkit.plan.namespaces import EnterCgroupNamespace

        steps.append(EnterCgroupNamespace())
    # Before BecomeRoot: a process whose ids changed may no longer write its own /proc/self (proc(5), dumpable).
    if spec.linux.time_offsets:
        from labkit.plan.namespaces import EnterTimeNamespace

        steps.append(EnterTimeNamespace(_offsets(spec)))
    if spec.process.oom_score_adj is not None:
        steps.append(process.SetOomScore(spec.process.oom_score_adj))
    for namespace in spec.linux.namespaces:
        if namespace.kind == "mount" and namespace.path:
            from labkit.plan.join import JoinMountNamespace

            steps.append(JoinMountNamespace(namespace.path))
            notes.append(f"what is mounted stays in the mount namespace {namespace.path}")
    if rootless:
        from labkit.plan.namespaces import AwaitParent, BecomeRoot
        from labkit.plan.roots import OpenRoot

        steps += [OpenRoot(spec.root.path), *filesystems.source_steps(spec, facts, scratch)]
        if "user" in has:
            steps.append(AwaitParent(IDS_MAPPED))
        steps.append(BecomeRoot())
    if spec.hostname or spec.domainname:
        steps.append(process.SetHostname(spec.domainname, spec.hostname))
    if "network" in has:
        steps.append(process.LoopbackUp())
    steps += _isolate(spec, scratch)
    if "mount" not in has and OVERLAY_ANNOTATION in spec.annotations:
        raise SpecError(f"/annotations/{OVERLAY_ANNOTATION}", "needs a new mount namespace in /linux/namespaces")
    if "mount" not in kinds(spec):
        notes.append("without a mount namespace there is chroot(2) alone, out of which CAP_SYS_CHROOT is a way")
        from labkit.plan.roots import OpenRoot

        steps += [] if rootless else [OpenRoot(spec.root.path)]
    elif spec.annotations.get(OVERLAY_ANNOTATION) == "tmpfs":
        from labkit.plan.roots import OverlayRoot

        steps.append(OverlayRoot(spec.root.path, rootless, scratch))
    else:
        steps.append(mounts.UseRoot(spec.root.path))
    for index, mount in enumerate(spec.mounts):
        made = filesystems.mount_steps(mount, index, spec, facts, notes)
        steps += made
        where = filesystems.place(mount)
        steps += _propagation(where, mount, spec)
        # A /dev that is the host's has its own nodes.
        if where == "/dev" and not isinstance(made[0], mounts.BindMount | mounts.Remount):
            steps += filesystems.default_devices(spec)
    for index, device in enumerate(spec.linux.devices):
        steps += filesystems.device_steps(device, index, spec, facts, notes)
    steps += filesystems.last_steps(spec)
    # With a new user namespace they are moved before its ids are mapped. Some kernel parameters are an interface's.
    networked = NETWORK_ANNOTATION in spec.annotations
    if (networked or spec.linux.net_devices) and "user" not in has:
        from labkit.plan.namespaces import AwaitParent

        steps.append(AwaitParent(CONNECTED if networked else INTERFACES_MOVED))
    # Before the paths where they lie become read-only.
    if spec.linux.sysctl:
        from labkit.plan.sysctl import WriteSysctl

        # A user namespace may mount a procfs only for a pid namespace that it owns.
        own = has if "user" in has else kinds(spec)
        steps.append(WriteSysctl(not rootless or "pid" in own, _settings(spec)))
    steps += [mounts.MaskPath(path) for path in spec.linux.masked_paths]
    steps += [mounts.ReadonlyPath(path) for path in spec.linux.readonly_paths]
    # Who starts from a bundle is used to it; others get an error that names the folder.
    if manner.bundle:
        steps.append(home.MakeWorkingFolder(spec.process.cwd))
    if spec.root.readonly:
        steps.append(mounts.RemountReadonly("/"))
    hooks = spec.hooks.plain()
    awaited = tuple(path for moment in ("prestart", "createRuntime") for path, *_ in hooks.get(moment, ()))
    if awaited:
        from labkit.plan.hook import AwaitHooks

        steps.append(AwaitHooks(awaited))
    if "createContainer" in hooks:
        from labkit.plan.hook import RunHooks

        programs = _in_its_environment(hooks["createContainer"], spec)
        steps.append(RunHooks(about(spec, id, manner), b"", programs, "createContainer", "created"))
    if spec.linux.mount_label and "SELinux" not in facts.security_modules:
        # It keeps the host's files from whoever has no label either: nobody is safer for an error here (as crun).
        notes.append("warning: config.json#/linux/mountLabel has no effect: SELinux is not enabled on this host")
    # While the host's procfs is there, and after the hooks, which are programs as well.
    steps += labels.label_steps(spec, facts)
    if "mount" not in has:
        from labkit.plan.roots import ChangeRoot

        steps.append(ChangeRoot())
    elif manner.pivot:
        steps.append(mounts.PivotRoot())
    else:
        from labkit.plan.roots import MoveRoot

        steps.append(MoveRoot())
    # The mount that is the root has been private all the time.
    if spec.linux.rootfs_propagation not in ("", "private"):
        from labkit.plan.propagation import SetRootPropagation

        steps.append(SetRootPropagation(spec.linux.rootfs_propagation))
    if spec.process.terminal:
        steps.append(terminal(spec, manner))
    if manner.keyring:
        steps.append(process.NewKeyring(f"_ses.{id}"))
    steps += become(spec, facts, seccomp, notes, manner)
    return tuple(_wait_for_start(steps, spec, id, manner))


def about(spec: Spec, id: str, manner: Manner) -> tuple[str, str, str, dict[str, str]]:
    """What hooks are told of the container, beside its status and pid (see plan.hook.hook_state)."""
    return spec.oci_version, id, manner.bundle, spec.annotations


def terminal(spec: Spec, manner: Manner, first: bool = True) -> Step:
    """The step that opens the terminal of the container's `first` process, or of another.

    Raises SpecError where nobody is there to get it.
    """
    if not manner.console:
        hint = "use --console-socket, or run it in the foreground of a terminal; or set /process/terminal to false"
        raise SpecError("/process/terminal", "needs somebody to hand the terminal to", hint)
    from labkit.plan.terminal import OpenTerminal

    size = spec.process.console_size
    # The first one's is /dev/console, which another's does not cover.
    console = first and "mount" in new_kinds(spec)
    return OpenTerminal(size.width if size else 0, console, size.height if size else 0, spec.process.user.uid)


def _wait_for_start(steps: list[Step], spec: Spec, id: str, manner: Manner) -> list[Step]:
    """The steps with what comes between create and start: before the last ones, which need nothing any more."""
    # A filter with a listener is loaded while there is a parent to pass its descriptor on.
    last = steps[-2]
    late = last if isinstance(last, process.LoadSeccomp) and not last.listener else None
    first = len(steps) - (2 if late else 1)
    between: list[Step] = []
    if manner.held:
        from labkit.plan.hold import AwaitStart

        between.append(AwaitStart(manner.left))
    hooks = spec.hooks.plain()
    if "startContainer" in hooks:
        from labkit.plan.hook import RunHooks

        # They are programs of the container, under its filter where it is not loaded yet (as runc).
        filter = late.program if late else b""
        programs = _in_its_environment(hooks["startContainer"], spec)
        between.append(RunHooks(about(spec, id, manner), filter, programs, "startContainer", "created"))
    return [*steps[:first], *between, *steps[first:]]


def _in_its_environment(hooks: tuple[Program, ...], spec: Spec) -> tuple[Program, ...]:
    """The hooks of the container's own process: one that names no environment has the program's, not the host's."""
    return tuple((path, args, spec.process.env if env is None else env, timeout) for path, args, env, timeout in hooks)


def _isolate(spec: Spec, scratch: str) -> list[Step]:
    """How far the new mount namespace is cut off from the one it was copied from, before anything is mounted."""
    if "mount" not in kinds(spec):
        return []
    if _cut_off(spec):
        return [mounts.PrivateMounts()]
    from labkit.plan.propagation import PrivateParent, SlaveMounts

    if "mount" not in new_kinds(spec):
        # The others in it keep theirs, but for what would show outside.
        return [PrivateParent(spec.root.path)]
    if spec.linux.rootfs_propagation.removeprefix("r") == "shared":
        overlay = spec.annotations.get(OVERLAY_ANNOTATION) == "tmpfs"
        return [PrivateParent(scratch if overlay else spec.root.path)]
    return [SlaveMounts()]


def _cut_off(spec: Spec) -> bool:
    """Whether nothing that is mounted outside may show inside."""
    wanted = {spec.linux.rootfs_propagation.removeprefix("r")}
    if "mount" not in new_kinds(spec) or "shared" in wanted:
        return False
    wanted |= {kind.removeprefix("r") for mount in spec.mounts for kind in sorted_options(mount.options).propagation}
    return not wanted & {"slave", "shared"}


def _propagation(where: str, mount: Mount, spec: Spec) -> list[Step]:
    wanted = sorted_options(mount.options).propagation
    # As crun: a bind mount that says nothing is private, whatever the mount that it shows is.
    if not wanted and filesystems.binds(mount) and (not _cut_off(spec) or filesystems.idmapped(mount)):
        wanted = ("rprivate",)
    if not wanted:
        return []
    from labkit.plan.propagation import SetPropagation

    return [SetPropagation(where, kind) for kind in wanted]


def _offsets(spec: Spec) -> str:
    lines = [f"{clock} {offset.secs} {offset.nanosecs}" for clock, offset in sorted(spec.linux.time_offsets.items())]
    return "\n".join(lines)


def _settings(spec: Spec) -> tuple[tuple[str, str], ...]:
    from labkit.spec.sysctl import sysctl_path

    return tuple((sysctl_path(name), value) for name, value in spec.linux.sysctl.items())


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
    bits = _capability_masks(wanted.capabilities, facts, "user" in kinds(spec), notes)
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
    if "user" not in kinds(spec):
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


def explain_clone_error(error: OSError, rootless: bool) -> LabkitError:
    """A refused clone in words: the usual causes are sysctls and a missing privilege."""
    if error.errno in (errno.EPERM, errno.ENOSPC, errno.EUSERS) and rootless:
        return LabkitError(
            f"this host lets no ordinary user make a user namespace ({error.strerror})",
            "run as root, or see: sysctl kernel.unprivileged_userns_clone user.max_user_namespaces "
            "kernel.apparmor_restrict_unprivileged_userns",
        )
    if error.errno == errno.EPERM:
        return LabkitError("namespaces need CAP_SYS_ADMIN", "run as root, or let labkit make a user namespace")
    advice = _CLONE_HINTS.get(error.errno or 0, "labkit doctor shows what this kernel has")
    return LabkitError(f"the kernel refuses to clone the container's process: {error.strerror}", advice)

"""The child's steps for a configuration: a pure function of the specification and the host's facts.

The order is the container's construction, and every place in it has its reason: names first, then the file tree from
the root down, then the root itself, then privileges from the last needed to the first given up, the program last.

Modules of steps that few containers have are imported where such a step is made.
"""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.plan import filesystems, home, labels, mounts, process
from labkit.plan.become import become
from labkit.plan.facts import Facts
from labkit.plan.folder import ROOT
from labkit.plan.manner import Manner
from labkit.plan.options import sorted_options
from labkit.plan.step import Step
from labkit.spec.model import Mount, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.plan.hook import Program

# An annotation because config.json has no word for it: the root is an image that must stay as it is.
OVERLAY_ANNOTATION = "dev.labkit.root.overlay"
# As above: the image's files have in the container the owners that they have on the disk (mount_setattr(2)).
IDMAP_ANNOTATION = "dev.labkit.root.idmap"
NETWORK_ANNOTATION = "dev.labkit.network"

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
        from labkit.plan.roots import BindRoot, OpenRoot

        if filesystems.outside(spec):
            notes.append(f"its mounts are in labkit's own mount namespace, below {scratch}, until it is deleted")
            steps.append(BindRoot(spec.root.path, f"{scratch}/{ROOT}"))
        elif not rootless:
            steps.append(OpenRoot(spec.root.path))
    elif spec.annotations.get(OVERLAY_ANNOTATION) == "tmpfs":
        from labkit.plan.roots import OpenSource, OverlayRoot

        # It is laid over the state folder; in a user namespace all sources are open by now.
        covered = [(i, mount.source) for i, mount in enumerate(spec.mounts) if mount.source.startswith(f"{scratch}/")]
        steps += [] if rootless else [OpenSource(*source) for source in covered]
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
        from labkit.plan.terminal import terminal

        steps.append(terminal(spec, manner, "mount" in has or filesystems.outside(spec)))
    if manner.keyring:
        steps.append(process.NewKeyring(f"_ses.{id}"))
    steps += become(spec, facts, seccomp, notes, manner)
    return tuple(_wait_for_start(steps, spec, id, manner))


def about(spec: Spec, id: str, manner: Manner) -> tuple[str, str, str, dict[str, str]]:
    """What hooks are told of the container, beside its status and pid (see plan.hook.hook_state)."""
    return spec.oci_version, id, manner.bundle, spec.annotations


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

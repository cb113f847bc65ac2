"""From a checked configuration to the whole plan of a container on this host.

Modules that few containers need are imported where one does.
"""

from __future__ import annotations

from labkit.cgroups import detect, place
from labkit.engine import filter, state
from labkit.engine.hint import hint
from labkit.errors import LabkitError
from labkit.linux import lsm, os
from labkit.linux.rundir import rundir
from labkit.plan import build, facts, filesystems
from labkit.plan.become import setgroups_denied
from labkit.plan.filesystems import map_text
from labkit.plan.labels import labelled
from labkit.plan.manner import Manner
from labkit.plan.parent import EndMembers, MakeStateFolder, RecordProcess, Release, WriteIdMaps
from labkit.plan.plan import Plan
from labkit.plan.step import Step
from labkit.spec.model import Spec


def prepare(spec: Spec, id: str, manner: Manner | None = None) -> Plan:
    """The plan for `spec` under the container id `id`, made in the default manner unless another is given.

    Everything that can be checked is checked here, before anything is made: raises LabkitError, or SpecError with a
    JSON pointer, with nothing to undo.
    """
    manner = manner or Manner()
    state.check_id(id)
    joined: list[Step] = []
    leaving: list[Step] = []
    if any(namespace.path for namespace in spec.linux.namespaces):
        from labkit.engine import joining

        joined = joining.steps(spec)
        leaving = joining.leaving(joined)
    if "mount" in build.new_kinds(spec) or "mount" not in build.kinds(spec):
        _check_root(spec.root.path)
    layout = detect.detect()
    host = facts.gather(layout.mounts())
    if labelled(spec):
        host.security_modules = lsm.active()
    rootless = "user" in build.kinds(spec)
    if host.euid != 0 and not rootless:
        raise LabkitError(
            "namespaces need root, and this configuration has no user namespace",
            "run as root, or give /linux/namespaces a user namespace with id maps",
        )
    notes: list[str] = []
    placement = place.place(spec.linux.resources, spec.linux.cgroups_path, id, layout)
    host.own_cgroups = layout.named(placement.folders)
    host.cgroup_places = layout.places()
    folder = f"{manner.root or state.root()}/{id}"
    # Others' processes in a cgroup that is shared are not this container's to end.
    ended = tuple(placement.folders) if "pid" not in build.new_kinds(spec) and not placement.shared else ()
    ending: list[Step] = [EndMembers(ended)] if ended else []
    shown = [*filesystems.idmap_steps(spec, host), *filesystems.node_steps(spec, host)]
    if build.IDMAP_ANNOTATION in spec.annotations:
        from labkit.plan.idmap import IdmapRoot

        maps = map_text(spec.linux.gid_mappings), map_text(spec.linux.uid_mappings)
        shown.append(IdmapRoot(maps[0], spec.root.path, maps[1]))
    after: list[Step] = [RecordProcess(folder), *placement.after, *leaving]
    if shown:
        from labkit.plan.idmap import CloseSources

        after.append(CloseSources())
    moved: list[Step] = []
    if spec.linux.net_devices:
        from labkit.plan.interfaces import MoveInterface

        moved += [MoveInterface(name, device.name or name) for name, device in spec.linux.net_devices.items()]
    leased: list[Step] = []
    networked = build.NETWORK_ANNOTATION in spec.annotations
    if networked:
        from labkit.engine import network

        leased, connecting = network.prepare(spec, id, folder, manner.left)
        if not any(mount.destination == "/etc/resolv.conf" for mount in spec.mounts):
            notes.append("/etc/resolv.conf stays the image's own, which cannot be mounted on")
        moved += connecting
    if "user" in build.new_kinds(spec):
        after += [_id_maps(spec, host), *moved, Release(build.IDS_MAPPED)]
    elif moved:
        after += [*moved, Release(build.CONNECTED if networked else build.INTERFACES_MOVED)]
    if not placement.folders and "pid" not in build.new_kinds(spec):
        notes.append(
            "neither a new pid namespace nor a cgroup: processes that outlive the first one are not ended with it"
        )
    compiled = (
        (spec.annotations.get("dev.labkit.seccomp", "configured"), filter.kept_program(spec.linux.seccomp))
        if spec.linux.seccomp
        else None
    )
    outside = filesystems.outside(spec)
    if outside:
        filesystems.check_outside(spec, folder)
    child = build.child_steps(spec, host, folder, compiled, notes, tuple(placement.child), id, manner)
    about = state.content(
        spec,
        id,
        manner.bundle,
        placement.folders,
        placement.parents,
        placement.shared,
        ends_members=bool(ending),
        networks=rundir("network") if networked else "",
    )
    return Plan(
        id,
        build.clone_kinds(spec),
        (
            MakeStateFolder(manner.config, about, manner.held, folder, outside),
            *manner.early,
            *placement.before,
            *ending,
            *leased,
            *shown,
            *joined,
        ),
        tuple(after),
        child,
        (*notes, *placement.notes),
        spec.hooks.plain(),
        build.about(spec, id, manner),
        manner.left,
        manner.kept,
    )


def _check_root(path: str) -> None:
    try:
        # Readable is more than the kernel asks, but nothing could be found in it otherwise.
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        advice = hint("UseRoot", error.errno) or "check the path"
        raise LabkitError(f"root filesystem {path}: {error.strerror}", advice) from error


def _id_maps(spec: Spec, host: facts.Facts) -> Step:
    if host.euid == 0:
        maps = map_text(spec.linux.gid_mappings), map_text(spec.linux.uid_mappings)
        return WriteIdMaps(setgroups_denied(host, spec), *maps)
    from labkit.engine.users import map_step

    return map_step(spec, host)

"""The steps that each entry of mounts and of linux.devices becomes: config.md, Mounts; config-linux.md, Devices.

Modules of steps that few containers have are imported where such a step is made.
"""

from __future__ import annotations

from labkit.errors import SpecError
from labkit.linux import os
from labkit.linux.mount import MOUNT_ATTR_RDONLY
from labkit.plan import devices, mounts
from labkit.plan.facts import Facts
from labkit.plan.options import Options, sorted_options
from labkit.plan.step import Step
from labkit.spec.linux import host_id
from labkit.spec.model import Device, IdMapping, Mount, Spec

# Documentation/admin-guide/devices.txt; the specification's default devices (config-linux.md).
DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
)

# Filesystems of which every mount shows the one that the kernel, or a namespace, has.
_ONE_FOR_ALL = ("cgroup", "cgroup2", "mqueue", "proc", "sysfs")


def binds(mount: Mount) -> bool:
    """Whether the entry shows files of the host at a second place."""
    return mount.kind == "bind" or sorted_options(mount.options).bind


def outside(spec: Spec) -> bool:
    """Whether there is something to mount and no mount namespace for it, so that it is made in the runtime's own."""
    wanted = spec.mounts or spec.root.readonly or spec.linux.masked_paths or spec.linux.readonly_paths
    return bool(wanted) and "mount" not in spec.linux.kinds()


def check_outside(spec: Spec, folder: str) -> None:
    """Raise SpecError for what shows the state folder, in which the root is then mounted, at a second place.

    With it all that is mounted for such containers would be there twice, with the next one four times, and so on.
    """
    shown = [("/root/path", spec.root.path)]
    for index, mount in enumerate(spec.mounts):
        options = sorted_options(mount.options)
        recursive = options.recursive or not options.bind
        if binds(mount) and mount.source and recursive and not options.remount:
            shown.append((f"/mounts/{index}/source", mount.source))
    for pointer, path in shown:
        top = os.path.realpath(path).rstrip("/")
        if f"{os.path.realpath(folder)}/".startswith(f"{top}/"):
            text = f"has {folder} in it, where the root is mounted without a mount namespace"
            raise SpecError(pointer, text, "give /linux/namespaces an entry of type mount")


def place(mount: Mount) -> str:
    """The entry's destination from the root on; one that is relative counts from there (config.md, Mounts)."""
    return "/" + mount.destination.strip("/")


def mount_steps(mount: Mount, index: int, spec: Spec, facts: Facts, notes: list[str]) -> list[Step]:
    """The steps of the entry `index` of mounts; raises SpecError for what no mount can be."""
    pointer = f"/mounts/{index}"
    options = sorted_options(mount.options)
    destination = place(mount)
    if options.copy_up and (mount.kind != "tmpfs" or options.bind or options.remount):
        raise SpecError(f"{pointer}/options", "tmpcopyup is for a new tmpfs only")
    if options.remount:
        return [_remount(mount, options)]
    if destination == "/":
        raise SpecError(f"{pointer}/destination", "is the root itself, which is /root/path")
    if binds(mount):
        return [_bind(mount, index, options, notes)]
    if options.idmap or mount.uid_mappings or mount.gid_mappings:
        raise SpecError(f"{pointer}/{_idmap_word(mount)}", "is for bind mounts only")
    if mount.kind in ("", "none"):
        raise SpecError(f"{pointer}/type", "must name a filesystem unless options has bind, rbind or remount")
    kinds, new = spec.linux.kinds(), spec.linux.new_kinds()
    if mount.kind == "cgroup":
        return _cgroup_mounts(destination, options, facts, "cgroup" in kinds, notes)
    if source := _hosts_own(mount, kinds, new):
        return [mounts.BindMount(options.add, 0, 0, destination, index, True, 0, source)]
    label = spec.linux.mount_label if "SELinux" in facts.security_modules else ""
    data = _data(mount, options, spec, label)
    if options.copy_up:
        from labkit.plan.copyup import MountCopy

        return [MountCopy(options.add, destination, data, mount.source or "tmpfs")]
    attributes = options.add & ~MOUNT_ATTR_RDONLY if _read_only_later(mount) else options.add
    return [mounts.MountFilesystem(attributes, destination, mount.kind, data, mount.source or mount.kind)]


def last_steps(spec: Spec) -> list[Step]:
    """The steps that make read-only what other mounts and devices had to be made in."""
    return [
        mounts.RemountReadonly(place(mount))
        for mount in spec.mounts
        if _read_only_later(mount) and sorted_options(mount.options).add & MOUNT_ATTR_RDONLY
    ]


def _read_only_later(mount: Mount) -> bool:
    """Whether the entry is an empty tree for others to be mounted in, such as /dev (as runc has it)."""
    options = sorted_options(mount.options)
    fresh = not (options.remount or options.copy_up or binds(mount))
    return fresh and (mount.kind == "tmpfs" or place(mount) == "/dev")


def _hosts_own(mount: Mount, kinds: tuple[str, ...], new: tuple[str, ...]) -> str:
    """Where the host has the filesystem, when it shows a namespace that the user namespace does not own; else "".

    Such a filesystem cannot be mounted anew. Namespaces joined together with a user namespace are taken for its own.
    """
    shown, source = {"proc": ("pid", "/proc"), "sysfs": ("network", "/sys")}.get(mount.kind, ("", ""))
    own = new if "user" in new else kinds
    return source if shown and "user" in kinds and shown not in own else ""


def _bind(mount: Mount, index: int, options: Options, notes: list[str]) -> Step:
    pointer = f"/mounts/{index}"
    if idle := (*options.data, *options.superblock):
        # The kernel ignores it (mount(2), MS_BIND), and so do runc and crun.
        notes.append(f"warning: config.json#{pointer}/options: {', '.join(idle)} has no effect on a bind mount")
    if not mount.source:
        raise SpecError(f"{pointer}/source", "must name what a bind mount shows")
    top, deep = options.top, options.deep
    recursive = options.recursive or not options.bind
    return mounts.BindMount(top.add, deep.add, deep.remove, place(mount), index, recursive, top.remove, mount.source)


def _remount(mount: Mount, options: Options) -> Step:
    add, remove = options.top.add, options.top.remove
    data = () if binds(mount) else (*options.superblock, *options.data)
    return mounts.Remount(add, options.deep.add, options.deep.remove, place(mount), data, remove)


def source_steps(spec: Spec, facts: Facts, scratch: str) -> list[Step]:
    """Steps for before the process takes the ids of its user namespace, which may not search the folders above."""
    if "user" not in spec.linux.kinds():
        return []
    from labkit.plan.roots import OpenSource

    sources: list[Step] = [
        OpenSource(index, mount.source)
        for index, mount in enumerate(spec.mounts)
        if binds(mount) and mount.source and not idmapped(mount) and not sorted_options(mount.options).remount
    ]
    if node_steps(spec, facts):
        from labkit.plan.nodes import ShowNodes

        sources.append(ShowNodes(scratch))
    return sources


def idmap_steps(spec: Spec, facts: Facts) -> list[Step]:
    """The parent's steps, before the clone, that make what idmapped bind mounts show (mount_setattr(2))."""
    steps: list[Step] = []
    for index, mount in enumerate(spec.mounts):
        if not binds(mount) or not idmapped(mount):
            continue
        pointer = f"/mounts/{index}"
        options = sorted_options(mount.options)
        uids, gids = mount.uid_mappings, mount.gid_mappings
        if not uids and not gids:
            uids, gids = spec.linux.uid_mappings, spec.linux.gid_mappings
            if not uids or not gids:
                where = f"{pointer}/options/{mount.options.index(options.idmap)}"
                raise SpecError(where, "needs uidMappings and gidMappings, without a user namespace to take them from")
        for name, maps in (("uidMappings", uids), ("gidMappings", gids)):
            if not maps:
                raise SpecError(f"{pointer}/{name}", "is required: uidMappings and gidMappings are given together")
        if facts.euid != 0:
            raise SpecError(f"{pointer}/{_idmap_word(mount)}", "takes the privilege of root over the mount shown")
        from labkit.plan.idmap import IdmapSource

        deep = options.idmap == "ridmap"
        recursive = options.recursive or not options.bind
        steps.append(IdmapSource(deep, map_text(gids), index, recursive, mount.source, map_text(uids)))
    return steps


def map_text(lines: tuple[IdMapping, ...]) -> str:
    """The lines as /proc/PID/uid_map takes them (user_namespaces(7))."""
    return "\n".join(f"{line.container_id} {line.host_id} {line.size}" for line in lines)


def idmapped(mount: Mount) -> bool:
    """Whether the entry shows files with other owners than theirs."""
    return bool(sorted_options(mount.options).idmap or mount.uid_mappings or mount.gid_mappings)


def _idmap_word(mount: Mount) -> str:
    if mount.uid_mappings or mount.gid_mappings:
        return "uidMappings" if mount.uid_mappings else "gidMappings"
    return f"options/{mount.options.index(sorted_options(mount.options).idmap)}"


def _data(mount: Mount, options: Options, spec: Spec, label: str) -> tuple[str, ...]:
    """What fsconfig(2) is to set: the filesystem's own options, and flags of its superblock."""
    data = options.data
    if "user" in spec.linux.kinds():
        data = tuple(option for option in data if not _unmapped_gid(option, spec.linux.gid_mappings))
    data += options.superblock
    if mount.kind not in _ONE_FOR_ALL:
        # As mount(2) does: not only this mount but the filesystem itself, so that a disk is not written at all.
        if options.add & MOUNT_ATTR_RDONLY and not options.copy_up and not _read_only_later(mount):
            data += ("ro",)
        if label:
            data += (f"context={label}",)
    return data


def _unmapped_gid(option: str, maps: tuple[IdMapping, ...]) -> bool:
    """Whether an option such as devpts' gid=5 names a group that the user namespace does not have."""
    key, _, value = option.partition("=")
    return key == "gid" and value.isdigit() and host_id(int(value), maps) is None


def _cgroup_mounts(destination: str, options: Options, facts: Facts, namespace: bool, notes: list[str]) -> list[Step]:
    """The trees as the host has them mounted; without a cgroup namespace, only the container's own cgroup of each.

    Of several trees only those in which it has a cgroup of its own: in the others it stands where its maker does, and
    would see the cgroups of all others (as runc, which makes one in each).
    """
    read_only = options.add & MOUNT_ATTR_RDONLY
    several = not any(folder == "" for folder, _, _ in facts.cgroup_mounts)
    steps: list[Step] = []
    if several:
        attributes = options.add & ~MOUNT_ATTR_RDONLY
        steps.append(mounts.MountFilesystem(attributes, destination, "tmpfs", ("mode=755",), "tmpfs"))
    for folder, filesystem, data in facts.cgroup_mounts:
        if several and facts.own_cgroups and folder not in facts.own_cgroups:
            continue
        where = f"{destination}/{folder}" if folder else destination
        steps.append(_cgroup_mount(where, folder, filesystem, data, options, facts, namespace, notes))
        # A controller that shares its tree is looked for under its own name as well, such as cpu -> cpu,cpuacct.
        if "," in folder:
            steps += [devices.MakeSymlink(f"{destination}/{name}", folder) for name in folder.split(",")]
    if read_only and several:
        steps.append(mounts.RemountReadonly(destination))
    return steps


def _cgroup_mount(
    where: str,
    folder: str,
    filesystem: str,
    data: tuple[str, ...],
    options: Options,
    facts: Facts,
    namespace: bool,
    notes: list[str],
) -> Step:
    if not namespace and folder in facts.own_cgroups:
        add, remove = options.add, options.top.remove
        return mounts.BindMount(add, 0, 0, where, -1, False, remove, facts.own_cgroups[folder])
    attributes = options.add
    if not namespace and not attributes & MOUNT_ATTR_RDONLY:
        # The whole tree of the host, and with it the file that names a program to run there (release_agent).
        notes.append(f"{where} is read-only: there is no cgroup namespace, and no cgroup of its own")
        attributes |= MOUNT_ATTR_RDONLY
    if namespace and folder not in facts.own_cgroups and not attributes & MOUNT_ATTR_RDONLY:
        # The namespace begins where the engine itself stands, perhaps at the tree's root, which has that file too.
        notes.append(f"{where} is read-only: the container has no cgroup of its own in this tree")
        attributes |= MOUNT_ATTR_RDONLY
    if not namespace and folder in facts.cgroup_places:
        # The same tree, which a user namespace may not mount anew, and for which a v2 kernel takes 9 ms.
        return mounts.BindMount(attributes, 0, 0, where, -1, False, 0, facts.cgroup_places[folder])
    return mounts.MountFilesystem(attributes, where, filesystem, data, "cgroup")


def default_devices(spec: Spec) -> list[Step]:
    """What every /dev has, but for the nodes that linux.devices lists itself."""
    others = {device.path for device in spec.linux.devices}
    # A user namespace may not make device nodes; the host's are bound in instead.
    steps: list[Step] = [
        mounts.BindMount(0, 0, 0, f"/dev/{name}", -1, False, 0, f"/dev/{name}")
        if "user" in spec.linux.kinds()
        else devices.MakeDevice(0, "c", major, minor, 0o666, f"/dev/{name}", 0)
        for name, major, minor in DEVICES
        if f"/dev/{name}" not in others
    ]
    steps += [devices.MakeSymlink(path, target) for path, target in LINKS]
    # The terminal is bound on it when there is one, and /dev may be read-only by then.
    return steps + [devices.MakeEmptyFile("/dev/console")] * spec.process.terminal


def device_steps(device: Device, index: int, spec: Spec, facts: Facts, notes: list[str]) -> list[Step]:
    """The steps of the entry `index` of linux.devices."""
    if reason := _not_made(device, spec):
        notes.append(f"{device.path} is not made: {reason}")
        return []
    if _made_outside(device, spec, facts):
        from labkit.plan.nodes import BindNode

        ids = (("uid", device.uid, spec.linux.uid_mappings), ("gid", device.gid, spec.linux.gid_mappings))
        for name, number, maps in ids:
            if host_id(number, maps) is None:
                notes.append(f"{device.path} has nobody's {name}: {number} is not in the user namespace's map")
        return [BindNode(str(index), device.path)]
    if "user" in spec.linux.kinds() and device.kind != "p":
        notes.append(f"{device.path} is the host's, with its owner and mode: a user namespace may not make devices")
        return [mounts.BindMount(0, 0, 0, device.path, -1, False, 0, device.path)]
    major, minor, mode = device.major or 0, device.minor or 0, device.mode & 0o7777
    return [devices.MakeDevice(device.gid, device.kind, major, minor, mode, device.path, device.uid)]


def node_steps(spec: Spec, facts: Facts) -> list[Step]:
    """The parent's steps, before the clone, that make those of linux.devices which a user namespace may not make."""
    made = [
        (
            *(str(index), device.kind, device.major or 0, device.minor or 0, device.mode & 0o7777),
            *(host_id(device.uid, spec.linux.uid_mappings) or 0, host_id(device.gid, spec.linux.gid_mappings) or 0),
        )
        for index, device in enumerate(spec.linux.devices)
        if _made_outside(device, spec, facts) and not _not_made(device, spec)
    ]
    if not made:
        return []
    from labkit.plan.nodes import MakeNodes

    return [MakeNodes(tuple(made))]


def _not_made(device: Device, spec: Spec) -> str:
    """Why the device is left out; "" where it is not."""
    mounted = [mount for mount in spec.mounts if place(mount).rstrip("/") == "/dev" and binds(mount)]
    if mounted and device.path.startswith("/dev/"):
        return "/dev is bound from the host, and it would be made there"
    if device.path in (path for path, _ in LINKS):
        return "it is a symbolic link here, as the specification asks"
    return ""


def _made_outside(device: Device, spec: Spec, facts: Facts) -> bool:
    own_mounts = "mount" in spec.linux.new_kinds()
    return own_mounts and "user" in spec.linux.kinds() and facts.euid == 0 and device.kind != "p"

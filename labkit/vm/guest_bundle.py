"""A bundle taken apart for a VM: which folders of the host are shared with it, and what its guest makes of the rest.

Kata's architecture in small: the root filesystem and the folders that are mounted by bind reach the guest as shares,
single files as copies, and the configuration, with the places changed, is given to a runtime inside. What is about the
host's own kernel cannot be had in a guest, and is refused by its JSON pointer.
"""

from __future__ import annotations

import os
import stat

from labkit.errors import SpecError
from labkit.spec.model import BlockIo, Mount, Namespace, NetworkLimits, Spec
from labkit.vm import wire
from labkit.vm.qemu import MIB
from labkit.vm.share import Share

# Where the guest mounts its shares and has its copies: init scripts name it.
PLACE = "/shared"
# Beside the shares, where a read-only root has a layer in memory for the places of mounts.
LAYER = "layer"
# The tag of the folder with the network's hosts(5) and resolv.conf(5).
_FILES = "network"
# The namespace that a guest's own processes are in, in the guest.
_GUESTS = "/proc/1/ns/net"
# The newest version that every crun we know accepts: 1.8 refuses "1.2.0".
OCI_VERSION = "1.0.2"
_NETWORK = "add one of type network; labkit run has --network none and bridge for it"
# Recursive options of mounts and what they are for a file, which has nothing below it: crun before 1.14.4 sets them on
# folders alone. The words: runtime-spec, config.md#linux-mount-options.
_OF_FILES = {
    f"r{word}": word
    for word in (
        *("ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "atime", "noatime", "diratime", "nodiratime"),
        *("relatime", "norelatime", "strictatime", "nostrictatime", "symfollow", "nosymfollow"),
    )
}
# What the guest's kernel and its own programs take; the container's limit comes on top.
OVERHEAD = 192 * MIB
UNLIMITED = 512 * MIB


class GuestBundle:
    """`spec` for the runtime in the guest, `shares` by tag, `copies` as (name below PLACE, content); the VM's size.

    `wire` is its network, None for none, and `namespace` the file of the host's namespace that has it ("": its own).
    """

    __slots__ = ("copies", "cpus", "memory", "namespace", "shares", "spec", "wire")

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.shares: list[Share] = []
        self.copies: list[tuple[str, bytes]] = []
        self.memory = _memory(spec)
        self.cpus = _cpus(spec, os.cpu_count() or 1)
        self.wire: wire.Wire | None = None
        self.namespace = ""


def take_apart(spec: Spec, rootless: bool) -> GuestBundle:
    """The parts of `spec`, which is changed. `rootless`: an ordinary user's, whose files are root's in the guest.

    Raises SpecError for what no guest can honour, and for a bind mount's source that is not there.
    """
    _refuse(spec)
    parts = GuestBundle(spec)
    spec.oci_version = OCI_VERSION
    # What is written to the root filesystem comes to the host, as it does with every runtime.
    parts.shares.append(Share("rootfs", os.path.realpath(spec.root.path), writable=not spec.root.readonly))
    spec.root.path = f"{PLACE}/{LAYER}/root" if spec.root.readonly else f"{PLACE}/rootfs"
    if wire.ANNOTATION in spec.annotations:
        _take_network(parts)
    for index, mount in enumerate(spec.mounts):
        if {"bind", "rbind"} & set(mount.options):
            _take_bind(parts, mount, index)
    spec.linux.cgroups_path = "/container"
    if rootless:
        spec.linux.namespaces = tuple(each for each in spec.linux.namespaces if each.kind != "user")
        spec.linux.uid_mappings = spec.linux.gid_mappings = ()
    return parts


def _take_network(parts: GuestBundle) -> None:
    """What is connected is the VM: the container in it has the guest's own network namespace."""
    spec = parts.spec
    parts.wire = wire.read(spec.annotations.pop(wire.ANNOTATION))
    [own] = (each for each in spec.linux.namespaces if each.kind == "network")
    parts.namespace = own.path
    spec.linux.namespaces = tuple(
        Namespace(kind="network", path=_GUESTS) if each is own else each for each in spec.linux.namespaces
    )
    if parts.wire.files:
        # A share and not a copy: names come and go.
        parts.shares.append(Share(_FILES, parts.wire.files, "auto"))


def _refuse(spec: Spec) -> None:
    linux = spec.linux
    if "network" not in linux.kinds():
        raise SpecError("/linux/namespaces", "a VM cannot be in the host's network", _NETWORK)
    for index, namespace in enumerate(linux.namespaces):
        # That of the tap is not joined.
        if namespace.path and not (namespace.kind == "network" and wire.ANNOTATION in spec.annotations):
            raise SpecError(f"/linux/namespaces/{index}/path", "a VM cannot join a namespace of the host's kernel")
    if linux.resources.block_io.dump() != BlockIo().dump():
        raise SpecError("/linux/resources/blockIO", "is about the host's devices, which a VM does not have")
    if linux.resources.network.dump() != NetworkLimits().dump():
        raise SpecError("/linux/resources/network", "is about the host's interfaces, which a VM does not have")
    if linux.net_devices:
        raise SpecError("/linux/netDevices", "a VM cannot be given an interface of the host's kernel")
    if spec.process.terminal:
        raise SpecError("/process/terminal", "the microvm has no terminal", "set it to false")
    if spec.hooks.dump():
        raise SpecError("/hooks", "hooks are the host's, and see nothing of a container in a VM")


def _take_bind(parts: GuestBundle, mount: Mount, index: int) -> None:
    pointer = f"/mounts/{index}/source"
    if parts.wire and parts.wire.files and os.path.dirname(mount.source) == parts.wire.files:
        mount.source = f"{PLACE}/{_FILES}/{os.path.basename(mount.source)}"
        mount.options = _of_a_file(mount.options)
        return
    readonly = "ro" in mount.options or "rro" in mount.options
    try:
        kind = os.stat(mount.source).st_mode
    except OSError as error:
        raise SpecError(pointer, f"{mount.source}: {error.strerror}", "give a folder or file of the host") from error
    name = f"mount{index}"
    if stat.S_ISDIR(kind):
        parts.shares.append(Share(name, os.path.realpath(mount.source), "auto", writable=not readonly))
    elif stat.S_ISREG(kind) and readonly:
        with open(mount.source, "rb") as file:
            parts.copies.append((name, file.read()))
        mount.options = _of_a_file(mount.options)
    else:
        raise SpecError(pointer, "a VM can be given folders, and files to read", "add the option ro, or give a folder")
    mount.source = f"{PLACE}/{name}"


def _of_a_file(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_OF_FILES.get(option, option) for option in options)


def _memory(spec: Spec) -> int:
    limit = spec.linux.resources.memory.limit
    wanted = limit if limit is not None and limit > 0 else UNLIMITED
    return (OVERHEAD + wanted + MIB - 1) // MIB * MIB


def _cpus(spec: Spec, there: int) -> int:
    """As many as the quota needs, not more than the host has; one where there is no quota."""
    cpu = spec.linux.resources.cpu
    if cpu.quota is None or cpu.quota <= 0:
        return 1
    period = cpu.period or 100_000
    return max(1, min(there, -(-cpu.quota // period)))

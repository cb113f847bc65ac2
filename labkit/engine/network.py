"""The network of a container: from what a person asks for to annotations of the configuration, and from them to steps.

config.json has a network namespace and no word for what it is connected to; two annotations say it:

    dev.labkit.network    bridge:labkit0, slirp or pasta
    dev.labkit.publish    8080:80/tcp,127.0.0.1:5353:53/udp
"""

from __future__ import annotations

import os

from labkit.errors import LabkitError, SpecError
from labkit.linux import kernel
from labkit.linux.idmaps import read_maps
from labkit.linux.nftables import find_nft
from labkit.linux.proc import read_file
from labkit.linux.rundir import rundir
from labkit.linux.usernet import SLIRP_NAMESERVER, find
from labkit.plan import network as steps
from labkit.plan.build import IDMAP_ANNOTATION
from labkit.plan.build import NETWORK_ANNOTATION as ANNOTATION
from labkit.plan.leases import FILES
from labkit.plan.step import Step
from labkit.spec import default
from labkit.spec.model import IdMapping, Mount, Namespace, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from labkit.engine.state import State
    from labkit.linux.ports import Port

PUBLISH_ANNOTATION = "dev.labkit.publish"
DEFAULT_BRIDGE = "labkit0"
_MODES = "none, host, bridge, bridge:NAME, slirp, pasta and container:ID"
_HELPERS = {"slirp": "slirp4netns", "pasta": "pasta"}
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
# IFNAMSIZ of linux/if.h, without the NUL character.
_LONGEST_NAME = 15
# Where systemd-resolved has the name servers behind its own, which listens on the host's loopback (resolved.conf(5)).
_RESOLVERS = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")


def configure(spec: Spec, network: str, publish: Iterable[str], writable: bool) -> None:
    """Have `spec` ask for the network `network`, with the ports `publish`, each `[ip:]8080:80[/udp]`.

    The container gets hosts(5) and resolv.conf(5) that fit, where its root has them or they can be made: `writable`.
    Raises LabkitError for what cannot be.
    """
    mode, _, name = network.partition(":")
    ports = [parse_port(text) for text in publish]
    if mode not in ("none", "host", "bridge", "container", *_HELPERS) or (name and mode not in ("bridge", "container")):
        raise LabkitError(f"there is no network {network!r}", f"the networks are {_MODES}")
    if ports and mode not in ("bridge", *_HELPERS):
        raise LabkitError(f"the network {mode} has no ports to publish", "give it --network bridge, slirp or pasta")
    if mode == "host":
        _without_namespace(spec)
        _show(spec, "/etc", writable)
    elif "network" not in spec.linux.kinds():
        raise LabkitError(f"the network {network} needs a network namespace", "add network to --namespaces")
    elif mode == "container":
        _join(spec, name, writable)
    elif mode != "none":
        spec.annotations[ANNOTATION] = _checked(mode, name)
        if ports:
            spec.annotations[PUBLISH_ANNOTATION] = ",".join(port_text(port) for port in ports)
        _show(spec, f"{rundir('network')}/{_network(spec.annotations[ANNOTATION])}", writable)


def prepare(spec: Spec, id: str, folder: str, left: bool = False) -> tuple[list[Step], list[Step]]:
    """The parent's steps before and after the clone, for a configuration with the annotation.

    `folder` is the state folder, and `left` says that the container outlives its maker. Raises LabkitError where the
    host lacks what they need.
    """
    if "network" not in spec.linux.new_kinds():
        raise SpecError(f"/annotations/{ANNOTATION}", "needs a new network namespace in /linux/namespaces")
    mode, _, name = spec.annotations[ANNOTATION].partition(":")
    network = _network(_checked(mode, name))
    ports = _published(spec)
    book = rundir("network")
    bridged = mode == "bridge"
    lease = steps.TakeLease(book, bridged, folder, id, _names(spec, id), network, ports, _resolvers(mode))
    if not bridged:
        if left:
            raise SpecError(f"/annotations/{ANNOTATION}", f"{mode} ends with the process that makes the container")
        find(_HELPERS[mode])
        run = steps.RunSlirp if mode == "slirp" else steps.RunPasta
        return [lease, *(steps.TryPort(*_outside(port)) for port in ports)], [run(folder, ports)]
    find_nft()
    reserved = [steps.ReservePort(*_outside(port)) for port in ports]
    return [lease, *reserved], [steps.SetFirewall(book, network), steps.ConnectBridge(book, id, network)]


def prepare_bridge(spec: Spec, id: str, folder: str, taker: str) -> list[Step]:
    """The steps for the sandbox `id` of a runtime that connects it to the bridge itself: all but the cable.

    `taker` is by what its lease is found, in `release_taker` and `cable`; `folder` is there as long as the sandbox.
    Raises LabkitError for a network that is no bridge, and where the host lacks what it needs.
    """
    mode, _, name = spec.annotations[ANNOTATION].partition(":")
    if mode != "bridge":
        raise LabkitError(f"the network {mode} is of labkit's own engine", "leave out --runtime, or use a bridge")
    network = _network(_checked(mode, name))
    find_nft()
    ports, book = _published(spec), rundir("network")
    return [
        steps.TakeLease(book, True, folder, taker, _names(spec, id), network, ports, _resolvers(mode)),
        *(steps.ReservePort(*_outside(port)) for port in ports),
        steps.SetFirewall(book, network),
        steps.MakeBridge(book, network),
    ]


def cable(taker: str) -> tuple[str, str, str, str]:
    """The bridge, its own end's name there, the address such as 10.213.0.2/24, and the gateway, of who has a lease."""
    return steps.cable(rundir("network"), taker)


def files(bridge: str) -> str:
    """The folder with the hosts(5) and resolv.conf(5) of all on the bridge."""
    return f"{rundir('network')}/{bridge}"


def release_taker(taker: str) -> None:
    """Give back the lease of a sandbox that `prepare_bridge` was for; nothing to do when it has none."""
    steps.release(kernel, rundir("network"), taker)


def release(found: State) -> None:
    """Give back what a container has of a network whose engine did not do so."""
    steps.end_helper(found.values.get("helper"))
    steps.release(kernel, found.values["networks"], found.id)


def release_forgotten() -> list[str]:
    """Give back what containers have of networks whose state folder is gone; returns their ids."""
    folder = rundir("network")
    found = steps.forgotten(folder)
    for id in found:
        steps.release(kernel, folder, id)
    return found


def address(id: str) -> str:
    """The address of container `id` on its bridge; raises LabkitError when it has none."""
    found = steps.addresses(rundir("network")).get(id, "")
    if not found:
        raise LabkitError(f"container {id!r} has no address", "one with --network bridge has, while it lives")
    return found


def parse_port(text: str) -> Port:
    """(host's address or "", host's port, container's port, protocol) of `[ip:]8080:80[/udp]`."""
    where, slash, protocol = text.partition("/")
    words = where.split(":")
    numbers = [int(word) if word.isascii() and word.isdecimal() else 0 for word in words[-2:]]
    host = words[0] if len(words) == 3 else ""
    good = len(words) in (2, 3) and all(0 < number < 65536 for number in numbers)
    if not good or protocol not in (("tcp", "udp") if slash else ("",)) or not (len(words) == 2 or _is_address(host)):
        raise LabkitError(f"port {text!r} is not understood", "write HOST:CONTAINER, as 8080:80, 127.0.0.1:8080:80/udp")
    return "" if host == "0.0.0.0" else host, numbers[0], numbers[1], protocol or "tcp"


def _published(spec: Spec) -> tuple[Port, ...]:
    return tuple(parse_port(text) for text in spec.annotations.get(PUBLISH_ANNOTATION, "").split(",") if text)


def port_text(port: Port) -> str:
    """The port as `parse_port` takes it."""
    host, outer, inner, protocol = port
    return f"{host + ':' if host else ''}{outer}:{inner}/{protocol}"


def _outside(port: Port) -> tuple[str, int, str]:
    host, outer, _, protocol = port
    return host, outer, protocol


def _is_address(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == 4 and all(part.isascii() and part.isdecimal() and int(part) < 256 for part in parts)


def _checked(mode: str, name: str) -> str:
    """The annotation's text for a network, checked: it is part of paths, and of the packet filter's rules."""
    if mode == "pasta" and os.geteuid() == 0:
        # Nor may it with --runas 0: of root's capabilities it keeps too few to open a hidden process's namespaces.
        message = "pasta is for ordinary users: it gives up root's privilege before it enters the container's network"
        raise LabkitError(message, "root has --network bridge or slirp")
    if mode in _HELPERS and not name:
        return mode
    if mode != "bridge":
        raise LabkitError(f"there is no network {mode!r} to connect to", f"the networks are {_MODES}")
    link = _network(f"bridge:{name}")
    if len(link) > _LONGEST_NAME or not set(name) <= _NAME:
        raise LabkitError(
            f"{name!r} is no name of a bridge",
            f"use up to {_LONGEST_NAME - 3} letters, digits and the characters _ . -",
        )
    if os.geteuid() != 0:
        raise LabkitError("a bridge takes root", "an ordinary user has --network slirp or pasta")
    return f"bridge:{name}" if name else "bridge"


def _network(asked: str) -> str:
    """The network's name: that of the bridge's interface, or of the program."""
    mode, _, name = asked.partition(":")
    if mode != "bridge":
        return mode
    return f"lk-{name}" if name else DEFAULT_BRIDGE


def _names(spec: Spec, id: str) -> tuple[str, ...]:
    """By which names others on the network find it: its id, and its own name unless that is everybody's."""
    own = spec.hostname
    wanted = [id] + [own] * (own not in ("", id, "localhost", default.spec("", ()).hostname) and set(own) <= _NAME)
    return tuple(wanted)


def _resolvers(mode: str) -> str:
    """A resolv.conf(5) for inside, without name servers that only the host itself can reach."""
    if mode == "slirp":
        return f"nameserver {SLIRP_NAMESERVER}\n"
    for path in _RESOLVERS:
        try:
            lines = read_file(path).splitlines()
        except OSError:
            continue
        kept = [line for line in lines if line.split()[:1] != ["nameserver"] or not _loopback(line.split()[1])]
        if any(line.split()[:1] == ["nameserver"] for line in kept):
            return "\n".join(kept) + "\n"
    return "# The host has no name server that can be reached from here.\n"


def _loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _without_namespace(spec: Spec) -> None:
    spec.linux.namespaces = tuple(one for one in spec.linux.namespaces if one.kind != "network")


def _join(spec: Spec, id: str, writable: bool) -> None:
    from labkit.engine import state

    found = state.load(id, state.root())
    if not found.runs():
        raise LabkitError(f"container {id!r} does not run", "its network ended with it")
    _without_namespace(spec)
    spec.linux.namespaces += (Namespace(kind="network", path=f"/proc/{found.pid}/ns/net"),)
    if os.geteuid() != 0:
        # An ordinary user may enter it from within the user namespace that owns it.
        others = tuple(one for one in spec.linux.namespaces if one.kind != "user")
        path = f"/proc/{found.pid}/ns/user"
        spec.linux.namespaces = (*others, Namespace(kind="user", path=path))
        spec.linux.uid_mappings, spec.linux.gid_mappings = (
            tuple(IdMapping(container_id=inside, host_id=outside, size=size) for inside, outside, size in lines)
            for lines in read_maps(path)
        )
    lease = steps.network_of(rundir("network"), id)
    if lease:
        _show(spec, f"{rundir('network')}/{lease}", writable)


def _show(spec: Spec, folder: str, writable: bool) -> None:
    """Have the container see the files of `folder` in its /etc, where they can be put."""
    writable = writable and _own(spec)
    for name in FILES:
        if folder == "/etc" and not os.path.exists(f"/etc/{name}"):
            continue
        # What a root that cannot be written lacks cannot be mounted on.
        if writable or os.path.exists(f"{spec.root.path}/etc/{name}"):
            # Not recursive: a file has nothing below it, and crun before 1.14.4 sets that on folders alone.
            options = ("bind", "ro", "nosuid", "nodev", "noexec")
            spec.mounts += (Mount(destination=f"/etc/{name}", kind="bind", source=f"{folder}/{name}", options=options),)


def _own(spec: Spec) -> bool:
    """Whether the container's root may make files in its /etc: in a user namespace not where the owner has no id."""
    if "user" not in spec.linux.kinds() or IDMAP_ANNOTATION in spec.annotations:
        return True
    try:
        owner = os.stat(f"{spec.root.path}/etc").st_uid
    except OSError:
        return True  # It is made then, or the root filesystem is refused.
    return any(line.host_id <= owner < line.host_id + line.size for line in spec.linux.uid_mappings)

"""Steps of the parent that give a container's new network namespace a way out: a bridge, slirp4netns or pasta."""

from __future__ import annotations

import errno
import os

from labkit.errors import LabkitError
from labkit.linux.descriptors import write_all
from labkit.linux.proc import read_file, start_time
from labkit.plan import leases
from labkit.plan.folder import add_to_state
from labkit.plan.leases import Book
from labkit.plan.step import Scene, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labkit.linux.ports import Port
    from labkit.plan.step import Kernel

_FORWARDING = "/proc/sys/net/ipv4/ip_forward"
_SIGKILL = 9


class TakeLease(Step):
    """`book` is the folder of all leases, `folder` the container's state folder; `network` a bridge, slirp or pasta."""

    __slots__ = ("book", "bridge", "folder", "id", "names", "network", "ports", "resolvers")
    book: str
    bridge: bool
    folder: str
    id: str
    names: tuple[str, ...]
    network: str
    ports: tuple[Port, ...]
    resolvers: str
    call = "flock, write"
    why = "an address is one container's; what is noted can be taken back when the engine was killed"

    def describe(self) -> str:
        return f"take an address on {self.network}" if self.bridge else f"take part in the network {self.network}"

    def apply(self, scene: Scene) -> None:
        with Book(self.book) as book:
            for port in self.ports:
                other = book.publisher(port)
                if other:
                    text = f"port {port[1]}/{port[3]} is published by the container {other}"
                    raise LabkitError(text, "publish another: --publish HOST:PORT")
            address = _address(scene.kernel, book, self.network) if self.bridge else ""
            taken = {name for lease in book.leases.values() for name in lease["names"]}
            names = [name for name in self.names if name not in taken]
            lease = {"network": self.network, "address": address, "names": names, "folder": self.folder}
            book.leases[self.id] = lease | {"ports": [list(port) for port in self.ports]}
            book.save()
            try:
                _write_files(book, self.network, self.resolvers)
            except OSError:
                _give_back(scene.kernel, book, self.id)
                raise

    def undo(self, scene: Scene) -> None:
        try:
            release(scene.kernel, self.book, self.id)
        except LabkitError as error:
            raise OSError(errno.EIO, str(error), self.network) from error


class ReservePort(Step):
    __slots__ = ("address", "number", "protocol")
    address: str
    number: int
    protocol: str
    call = "socket, bind, listen"
    why = "a port that another program has is an error now and not a surprise later"

    def describe(self) -> str:
        return f"take the host's port {self.address or '*'}:{self.number}/{self.protocol}"

    def apply(self, scene: Scene) -> None:
        scene.kept.append(scene.kernel.take_port(self.address, self.number, self.protocol))

    def undo(self, scene: Scene) -> None:
        while scene.kept:
            scene.kept.pop().close()


class TryPort(ReservePort):
    """For a program that takes the port itself, and would not say who has it."""

    __slots__ = ("address", "number", "protocol")

    def describe(self) -> str:
        return f"see that the host's port {self.address or '*'}:{self.number}/{self.protocol} is free"

    def apply(self, scene: Scene) -> None:
        scene.kernel.take_port(self.address, self.number, self.protocol).close()


class SetFirewall(Step):
    __slots__ = ("book", "networks")
    book: str
    networks: str
    call = "nft -f -; write /proc/sys/net/ipv4/ip_forward"
    why = "all rules of labkit's networks are one table, which is replaced as a whole and goes with the last container"

    def describe(self) -> str:
        return f"translate addresses and ports of {self.networks}, and keep it apart from other networks"

    def apply(self, scene: Scene) -> None:
        with Book(self.book) as book:
            scene.kernel.nft(book.rules())
            if book.forwarding == "0":
                scene.kernel.write_file(_FORWARDING, "1")


class ConnectBridge(Step):
    __slots__ = ("book", "id", "network")
    book: str
    id: str
    network: str
    call = "RTM_NEWLINK (bridge, veth), RTM_NEWADDR, setns, RTM_NEWROUTE"
    why = "a pair of interfaces is a cable: one end in the container, the other in the bridge, which is a switch"

    def describe(self) -> str:
        return f"connect the container to the bridge {self.network}, which is made if it is not there"

    def apply(self, scene: Scene) -> None:
        with Book(self.book) as book:
            address = book.leases[self.id]["address"]
            own = _make_bridge(scene.kernel, book, self.network)
            scene.kernel.connect_bridge(
                self.network, leases.interface(address), scene.pid, address, leases.PREFIX_LENGTH, own
            )


class MakeBridge(Step):
    """For a sandbox whose runtime connects it."""

    __slots__ = ("book", "network")
    book: str
    network: str
    call = "RTM_NEWLINK (bridge), RTM_NEWADDR"
    why = "a bridge is a switch, into which each sandbox has a cable"

    def describe(self) -> str:
        return f"make the bridge {self.network} if it is not there"

    def apply(self, scene: Scene) -> None:
        with Book(self.book) as book:
            _make_bridge(scene.kernel, book, self.network)


class RunSlirp(Step):
    __slots__ = ("folder", "ports")
    folder: str
    ports: tuple[Port, ...]
    call = "posix_spawn(slirp4netns)"
    why = "without privilege there is no bridge; a program of the same user makes the connections instead"

    def describe(self) -> str:
        return "connect the container by slirp4netns"

    def apply(self, scene: Scene) -> None:
        pid, end = scene.kernel.slirp4netns(scene.pid, self.ports, self.folder)
        scene.helper = (pid, end)
        _note(scene, self.folder, pid)

    def undo(self, scene: Scene) -> None:
        _end_helper(scene, own_child=True)


class RunPasta(Step):
    __slots__ = ("folder", "ports")
    folder: str
    ports: tuple[Port, ...]
    call = "posix_spawn(pasta)"
    why = RunSlirp.why

    def describe(self) -> str:
        return "connect the container by pasta"

    def apply(self, scene: Scene) -> None:
        pid = scene.kernel.pasta(scene.pid, self.ports, self.folder)
        scene.helper = (pid, -1)
        _note(scene, self.folder, pid)

    def undo(self, scene: Scene) -> None:
        _end_helper(scene, own_child=False)


def release(kernel: Kernel, folder: str, id: str) -> None:
    """Give back what container `id` has of a network; the last one takes the network with it.

    With the last of all bridges the host is again as it was found. Nothing to do for one that has no lease.
    """
    if os.path.exists(f"{folder}/networks"):
        with Book(folder) as book:
            if id in book.leases:
                _give_back(kernel, book, id)


def forgotten(folder: str) -> list[str]:
    """The containers that have a lease and no state folder any more."""
    if not os.path.exists(f"{folder}/networks"):
        return []
    with Book(folder) as book:
        return [id for id, lease in book.leases.items() if not os.path.exists(lease["folder"])]


def addresses(folder: str) -> dict[str, str]:
    """The addresses on bridges, by container."""
    with Book(folder) as book:
        return {id: lease["address"] for id, lease in book.leases.items() if lease["address"]}


def cable(folder: str, id: str) -> tuple[str, str, str, str]:
    """Of container `id` on a bridge: the bridge, its own end's name there, its address with the length, its gateway."""
    with Book(folder) as book:
        network, address = book.leases[id]["network"], book.leases[id]["address"]
        own = leases.gateway(book.bridges[network])
    return network, leases.interface(address), f"{address}/{leases.PREFIX_LENGTH}", own


def network_of(folder: str, id: str) -> str:
    """The network on which container `id` has a lease; "" for none."""
    with Book(folder) as book:
        return str(book.leases[id]["network"]) if id in book.leases else ""


def end_helper(noted: list[int] | None) -> None:
    """Kill the program that was a container's network, noted as (pid, start), if it still runs."""
    pid, start = noted or (0, 0)
    try:
        if pid and start_time(read_file(f"/proc/{pid}/stat")) == start:
            os.kill(pid, _SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        pass  # It ended with the container.


def _make_bridge(kernel: Kernel, book: Book, network: str) -> str:
    """The bridge's own address; it is made where it is not there."""
    own = leases.gateway(book.bridges[network])
    if not kernel.interface_exists(network):
        kernel.make_bridge(network, own, leases.PREFIX_LENGTH)
        # What the host sends to a published port by 127.0.0.1 leaves by the bridge.
        kernel.write_file(f"/proc/sys/net/ipv4/conf/{network}/route_localnet", "1")
    return own


def _give_back(kernel: Kernel, book: Book, id: str) -> None:
    lease = book.leases.pop(id)
    network = lease["network"]
    bridged = bool(lease["address"])
    if bridged:
        kernel.delete_interface(leases.interface(lease["address"]))
    if book.members(network):
        book.write_hosts(network)
    else:
        book.remove_files(network)
        if bridged:
            kernel.delete_interface(network)
            del book.bridges[network]
    if bridged:
        kernel.nft(book.rules())
        if not book.bridges:
            if book.forwarding == "0":
                kernel.write_file(_FORWARDING, "0")
            book.forwarding = None
    # Last: until then whoever is killed here leaves what can be given back once more.
    book.save()


def _address(kernel: Kernel, book: Book, network: str) -> str:
    """A free address on the bridge `network`, which gets a subnet when it has none."""
    if network not in book.bridges:
        if kernel.interface_exists(network):
            advice = f"use --network bridge:NAME, or, if nobody needs it: sudo ip link delete {network}"
            raise LabkitError(f"there is an interface {network} which is not labkit's", advice)
        book.bridges[network] = leases.free_subnet([*book.bridges.values(), *leases.routed()])
        if book.forwarding is None:
            book.forwarding = kernel.read_file(_FORWARDING).strip()
    taken = [lease["address"] for lease in book.members(network).values()]
    return leases.free_address(book.bridges[network], taken)


def _write_files(book: Book, network: str, resolvers: str) -> None:
    folder = f"{book.folder}/{network}"
    os.makedirs(folder, 0o711, exist_ok=True)
    book.write_hosts(network)
    path = f"{folder}/resolv.conf"
    if not os.path.exists(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.fchmod(descriptor, 0o644)
            write_all(descriptor, resolvers.encode())
        finally:
            os.close(descriptor)


def _note(scene: Scene, folder: str, pid: int) -> None:
    start = start_time(scene.kernel.read_file(f"/proc/{pid}/stat"))
    add_to_state(folder, f'{{"helper": [{pid}, {start}]}}')


def _end_helper(scene: Scene, own_child: bool) -> None:
    pid, end = scene.helper
    if not pid:
        return
    scene.helper = (0, -1)
    if end >= 0:
        os.close(end)
    try:
        os.kill(pid, _SIGKILL)
    except ProcessLookupError:
        pass  # It ended with the namespace.
    if own_child:
        os.waitpid(pid, 0)

"""Containers on networks, as a notebook shows them: what each sees, who reaches whom, and what it costs."""

import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from labkit import Container
from labkit.errors import LabkitError

Image = str | os.PathLike[str]

# A web server that says so when it listens.
_SERVE = "mkdir /www; echo {text} > /www/index.html; httpd -p 80 -h /www && echo up; exec sleep 1000"
# In seconds, for one who is not answered at all.
_PATIENCE = 1
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Footprint:
    """What networks may change on a host: the packet filter's rules, forwarding, and the interfaces."""

    rules: str
    forwarding: str
    interfaces: tuple[str, ...]

    def compared_with(self, after: "Footprint") -> str:
        """A sentence on what is different afterwards."""
        names = {"rules": "the packet filter's rules", "forwarding": "forwarding", "interfaces": "the interfaces"}
        changed = [words for name, words in names.items() if getattr(self, name) != getattr(after, name)]
        if changed:
            return f"Different afterwards: {', '.join(changed)}."
        return "The packet filter's rules, forwarding and the interfaces are what they were before."


def footprint() -> Footprint:
    """The host's networks as they are now; the rules are "" for who may not read them."""
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    rules = ""
    if nft and os.geteuid() == 0:
        rules = subprocess.run([nft, "list", "ruleset"], capture_output=True, text=True, check=False).stdout
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as file:
        forwarding = file.read().strip()
    return Footprint(rules, forwarding, tuple(sorted(name for _, name in socket.if_nameindex())))


def own_rules(found: Footprint) -> str:
    """Labkit's table among the rules."""
    _, mark, rest = found.rules.partition("table ip labkit {")
    return mark + rest.partition("\n}")[0] + "\n}" if mark else "no table of labkit's"


def cables() -> pd.DataFrame:
    """The bridges of this host and what is plugged into each."""
    # In a thread: pyroute2 runs an event loop, and a notebook's thread has one that runs.
    with ThreadPoolExecutor(1) as thread:
        links, addresses = thread.submit(_links).result()
    rows = [
        {
            "bridge": links[link.get("master")].get("ifname"),
            "its_address": addresses.get(link.get("master"), ""),
            "port": link.get("ifname"),
            "kind": link.get(("linkinfo", "kind")),
            "state": link.get("operstate"),
        }
        for link in links.values()
        if link.get("master") in links
    ]
    return pd.DataFrame(rows, columns=["bridge", "its_address", "port", "kind", "state"])


def _links() -> tuple[dict[int, Any], dict[int, str]]:
    """The host's interfaces, and their IPv4 addresses, by number, as the kernel tells pyroute2 (rtnetlink(7))."""
    try:
        from pyroute2 import IPRoute
    except ImportError as error:
        raise LabkitError("reading the host's bridges needs pyroute2", "pip install 'labkit[network]'") from error
    with IPRoute() as kernel:
        links = {link["index"]: link for link in kernel.get_links()}
        addresses = {one["index"]: one.get("address") for one in kernel.get_addr(family=socket.AF_INET)}
    return links, addresses


def views(rootfs: Image, networks: Iterable[str]) -> pd.DataFrame:
    """What a container on each network sees of interfaces and routes; or why there is none on this host."""
    script = "ip -o -4 address | awk '{print $2, $4}'; echo; ip route; echo; cat /etc/resolv.conf 2>/dev/null"
    rows = []
    for network in networks:
        try:
            text = Container(rootfs, ["sh", "-c", script], network=network).run(timeout=60).text
        except LabkitError as error:
            rows.append({"network": network, "interfaces": f"cannot be shown here: {error}", "routes": "", "names": ""})
            continue
        interfaces, routes, names = (part.strip() for part in (text + "\n\n\n").split("\n\n", 2))
        shown = {"interfaces": interfaces, "routes": routes or "none", "names": names or "none"}
        rows.append({"network": network} | shown)
    return pd.DataFrame(rows)


@contextmanager
def server(rootfs: Image, id: str, **options: Any) -> Iterator[Container]:
    """A running container with a web server that says its id."""
    container = Container(rootfs, ["sh", "-c", _SERVE.format(text=id)], id=id, **options)
    with container.start(log=True):
        first = next(iter(container.logs(follow=True)), "")
        if first.strip() != "up":
            raise LabkitError(f"the web server of {id} does not start: {first.strip()}", "run the cell again")
        yield container


def ask(where: str, port: int = 80) -> str:
    """A command of busybox's shell that asks a web server, and prints its answer or nothing."""
    return f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w {_PATIENCE} {where} {port} 2>/dev/null | tail -n 1"


def fetch(address: str, port: int) -> str:
    """What a web server answers to this very process; "" when it cannot be reached."""
    try:
        with socket.create_connection((address, port), _PATIENCE) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.makefile().read().splitlines()[-1]
    except OSError:
        return ""


def reached(rootfs: Image, members: Mapping[str, str]) -> pd.DataFrame:
    """Who of the containers `members` (name: network) reaches whom by address; a row per pair."""
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(server(rootfs, name, network=network)) for name, network in members.items()
        }
        addresses = {name: _address(container) for name, container in running.items()}
        # All ask all at once: who is not reached is waited for in vain.
        script = " ".join(f"(echo {name}=$({ask(address)})) &" for name, address in addresses.items()) + " wait"

        def asked(container: Container) -> str:
            return container.exec(["sh", "-c", script], timeout=60).text

        with ThreadPoolExecutor(len(running)) as threads:
            answers = dict(zip(running, threads.map(asked, running.values()), strict=True))
    return pd.DataFrame(
        {
            "source": source,
            "target": target,
            "source_network": members[source],
            "target_network": members[target],
            "reached": f"{target}={target}" in answers[source].splitlines(),
        }
        for source in members
        for target in members
    )


def _address(container: Container) -> str:
    shown = container.exec(["ip", "-o", "-4", "address", "show", "eth0"], timeout=60).text
    return shown.split()[3].partition("/")[0]


def possible(rootfs: Image, networks: Iterable[str]) -> list[str]:
    """Those of the networks that a container can have on this host, for this user."""
    found = []
    for network in networks:
        try:
            Container(rootfs, ["true"], network=network).run(timeout=60)
        except LabkitError:
            continue
        found.append(network)
    return found


def starts(rootfs: Image, networks: Iterable[str], repeats: int) -> pd.DataFrame:
    """How many milliseconds a container that does nothing takes from start to end, by network, in random order."""
    order = [network for network in networks for _ in range(repeats)]
    random.shuffle(order)
    rows = []
    for network in order:
        began = time.perf_counter()
        Container(rootfs, ["true"], network=network).run(timeout=60)
        rows.append({"kind": network, "value": (time.perf_counter() - began) * 1000})
    return _in_order(rows, networks)


def speeds(rootfs: Image, networks: Iterable[str], repeats: int, mebibytes: int) -> pd.DataFrame:
    """How many MiB a second a container reads from a server on the host, by network, in random order."""
    order = [network for network in networks for _ in range(repeats)]
    random.shuffle(order)
    rows = [{"kind": network, "value": _speed(rootfs, network, mebibytes)} for network in order]
    return _in_order(rows, networks)


def _speed(rootfs: Image, network: str, mebibytes: int) -> float:
    """One transfer, from its first byte to its last."""
    taken: list[float] = []
    with socket.create_server(("0.0.0.0", 0)) as listening:
        listening.settimeout(30)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                part = bytes(_MIB)
                began = time.perf_counter()
                try:
                    for _ in range(mebibytes):
                        connection.sendall(part)
                    # The end comes when the other has read all, and hangs up.
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)
                except OSError:
                    return
                taken.append(time.perf_counter() - began)

        thread = threading.Thread(target=serve)
        thread.start()
        # The gateway of a bridge is the host; the others connect to an address that the host has.
        where = "127.0.0.1" if network == "host" else _own_address()
        port = listening.getsockname()[1]
        # Not with head, which reads its input byte by byte: that takes longer than any network here.
        read = f"nc {where} {port} -e sh -c 'cat > /dev/null'"
        Container(rootfs, ["sh", "-c", read], network=network).run(timeout=60)
        thread.join()
    if not taken:
        raise LabkitError(f"nothing came through the network {network}", "is there a firewall on this host?")
    return mebibytes / taken[0]


def _own_address() -> str:
    """An address by which others reach this host; nothing is sent to find it (RFC 5737, TEST-NET-3)."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError as error:
            raise LabkitError("this host has no address but its loopback's", "connect it to a network") from error
        return str(probe.getsockname()[0])


def _in_order(rows: list[dict[str, object]], kinds: Iterable[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["kind", "value"])
    order = {kind: number for number, kind in enumerate(kinds)}
    return frame.sort_values("kind", key=lambda column: column.map(order), kind="stable", ignore_index=True)

"""The rules of labkit's networks, as a script for nft(8): all are in a table of their own and made anew together.

What they do: addresses of a bridge leave the host with the host's (NAT); published ports lead inside, from outside,
from the host and from other containers; networks cannot reach each other, nor be reached but by what is published.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labkit.linux.ports import Port

_REMOVE = "table ip labkit\ndelete table ip labkit\n"


def rules(bridges: Mapping[str, str], published: Iterable[tuple[str, Port]]) -> str:
    """The script for networks by bridge, such as {"labkit0": "10.213.0.0/24"}, and (address, port) of containers.

    Without bridges it removes the table.
    """
    if not bridges:
        return _REMOVE
    # A table is made first so that deleting it is no error the first time.
    every = "{ " + ", ".join(f'"{name}"' for name in bridges) + " }"
    into = [_leads_inside(address, port) for address, port in published]
    chains = [
        # With route_localnet a neighbour could otherwise reach what listens on 127.0.0.1 alone (CVE-2020-8558).
        _chain("guard", "filter", "prerouting", "raw", [f"iifname {every} ip daddr 127.0.0.0/8 drop"]),
        _chain("arriving", "nat", "prerouting", "dstnat", into),
        _chain("own", "nat", "output", "-100", into),
        _chain("leaving", "nat", "postrouting", "srcnat", [line for one in bridges.items() for line in _nat(*one)]),
        _chain("passing", "filter", "forward", "filter", _separate(bridges, every)),
    ]
    return _REMOVE + "table ip labkit {\n" + "\n".join(chains) + "\n}\n"


def _chain(name: str, kind: str, hook: str, priority: str, lines: list[str]) -> str:
    head = f"type {kind} hook {hook} priority {priority}; policy accept;"
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in (head, *lines)) + "  }"


def _leads_inside(address: str, port: Port) -> str:
    host, outer, inner, protocol = port
    where = f"ip daddr {host}" if host else "fib daddr type local"
    return f"{where} {protocol} dport {outer} dnat to {address}:{inner}"


def _nat(bridge: str, subnet: str) -> list[str]:
    return [
        f'ip saddr {subnet} oifname != "{bridge}" masquerade',
        # From the host by its loopback address, to which no container could answer.
        f'ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade',
        # From a neighbour by a published port: its answer must come back this way, and not straight.
        f'ip saddr {subnet} oifname "{bridge}" ct status dnat masquerade',
    ]


def _separate(bridges: Mapping[str, str], every: str) -> list[str]:
    # What stays on one bridge is forwarded only where br_netfilter has bridges filtered as well.
    return [
        *(f'iifname "{name}" oifname "{name}" accept' for name in bridges),
        f"iifname {every} oifname {every} drop",
        f"oifname {every} ct state established,related accept",
        f"oifname {every} ct status dnat accept",
        f"oifname {every} drop",
    ]

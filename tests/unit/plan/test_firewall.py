import re

from labkit.plan.firewall import rules

WEB = ("10.213.0.2", ("", 8080, 80, "tcp"))
NAMES = ("10.213.0.3", ("127.0.0.1", 5353, 53, "udp"))


def chain(script, name):
    """The lines of one chain after the one that says where it hooks in."""
    return [line.strip() for line in re.search(rf"chain {name} {{\n(.*?)\n  }}", script, re.S)[1].splitlines()][1:]


def test_the_table_is_replaced_as_a_whole():
    script = rules({"labkit0": "10.213.0.0/24"}, [])
    assert script.startswith("table ip labkit\ndelete table ip labkit\ntable ip labkit {\n")


def test_without_bridges_nothing_stays():
    assert rules({}, []) == "table ip labkit\ndelete table ip labkit\n"


def test_a_published_port_leads_inside_for_others_and_for_the_host_itself():
    script = rules({"labkit0": "10.213.0.0/24"}, [WEB, NAMES])
    wanted = [
        "fib daddr type local tcp dport 8080 dnat to 10.213.0.2:80",
        "ip daddr 127.0.0.1 udp dport 5353 dnat to 10.213.0.3:53",
    ]
    assert chain(script, "arriving") == chain(script, "own") == wanted


def test_a_network_is_kept_from_every_other_and_from_what_was_not_asked_for():
    passing = chain(rules({"a": "10.213.0.0/24", "b": "10.213.1.0/24"}, []), "passing")
    both = '{ "a", "b" }'
    assert passing == [
        'iifname "a" oifname "a" accept',
        'iifname "b" oifname "b" accept',
        f"iifname {both} oifname {both} drop",
        f"oifname {both} ct state established,related accept",
        f"oifname {both} ct status dnat accept",
        f"oifname {both} drop",
    ]


def test_the_hosts_loopback_is_not_reached_through_a_bridge():
    """CVE-2020-8558: route_localnet lets packets for 127.0.0.1 in by the interface that has it."""
    guard = chain(rules({"a": "10.213.0.0/24", "b": "10.213.1.0/24"}, []), "guard")
    assert guard == ['iifname { "a", "b" } ip daddr 127.0.0.0/8 drop']


def test_what_leaves_has_the_hosts_address():
    assert 'ip saddr 10.213.0.0/24 oifname != "a" masquerade' in chain(rules({"a": "10.213.0.0/24"}, []), "leaving")

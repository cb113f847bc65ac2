import os

import pytest

from labkit.errors import LabkitError
from labkit.plan import leases
from labkit.plan.leases import Book


def lease(network, address, *names, ports=()):
    return {"network": network, "address": address, "names": list(names), "folder": "/none", "ports": list(ports)}


def test_what_is_saved_is_read_again(tmp_path):
    with Book(str(tmp_path)) as book:
        assert (book.leases, book.bridges, book.forwarding) == ({}, {}, None)
        book.bridges["labkit0"], book.forwarding = "10.213.0.0/24", "0"
        book.leases["web"] = lease("labkit0", "10.213.0.2")
        book.save()
    with Book(str(tmp_path)) as book:
        assert book.members("labkit0") == {"web": lease("labkit0", "10.213.0.2")}
        assert (book.bridges, book.forwarding) == ({"labkit0": "10.213.0.0/24"}, "0")


def test_a_book_without_leases_is_no_file(tmp_path):
    with Book(str(tmp_path)) as book:
        book.leases["web"] = lease("labkit0", "10.213.0.2")
        book.save()
        book.leases.clear()
        book.save()
    assert os.listdir(tmp_path) == ["lock"]


def test_addresses_are_given_in_order_and_again():
    assert leases.free_address("10.213.0.0/24", []) == "10.213.0.2"
    assert leases.free_address("10.213.0.0/24", ["10.213.0.2", "10.213.0.4"]) == "10.213.0.3"
    assert leases.gateway("10.213.7.0/24") == "10.213.7.1"


def test_a_full_network_is_said():
    taken = [f"10.213.0.{number}" for number in range(2, 255)]
    with pytest.raises(LabkitError, match=r"no address of 10\.213\.0\.0/24 is free"):
        leases.free_address("10.213.0.0/24", taken)
    assert leases.free_address("10.213.0.0/24", taken[:-1]) == "10.213.0.254"


@pytest.mark.parametrize("taken", ["10.213.0.0/24", "10.213.0.128/25", "10.213.0.0/25", "10.213.0.7/32"])
def test_a_network_that_overlaps_with_a_route_is_left_out(taken):
    assert leases.free_subnet([taken]) == "10.213.1.0/24"


def test_when_all_are_taken_it_is_said():
    with pytest.raises(LabkitError, match=r"10\.213\.0\.0/16 is in use"):
        leases.free_subnet(["10.0.0.0/8"])


def test_the_name_of_an_interface_is_its_addresss():
    assert leases.interface("10.213.0.2") == "lk0ad50002"


def test_hosts_are_the_members_of_one_network_in_one_file_that_stays_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    with Book(str(tmp_path)) as book:
        book.leases = {"web": lease("a", "10.213.0.2", "web", "shop"), "other": lease("b", "10.213.1.2", "other")}
        book.write_hosts("a")
        first = os.stat(tmp_path / "a/hosts")
        assert (tmp_path / "a/hosts").read_text().endswith("\n10.213.0.2 web shop\n")
        del book.leases["web"]
        book.write_hosts("a")
    assert (tmp_path / "a/hosts").read_text() == "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    # A container has this very file mounted, and may be another user's.
    assert os.stat(tmp_path / "a/hosts").st_ino == first.st_ino
    assert os.stat(tmp_path / "a/hosts").st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("", 8080, 81, "tcp"), "web"),
        (("127.0.0.1", 8080, 81, "tcp"), "web"),
        (("", 8080, 81, "udp"), ""),
        (("", 8081, 80, "tcp"), ""),
        (("127.0.0.1", 53, 53, "udp"), ""),
        (("127.0.0.2", 53, 53, "udp"), "names"),
        (("", 53, 53, "udp"), "names"),
    ],
)
def test_who_publishes_a_port_that_is_in_the_way(tmp_path, asked, found):
    with Book(str(tmp_path)) as book:
        book.leases["web"] = lease("a", "10.213.0.2", ports=[["", 8080, 80, "tcp"]])
        book.leases["names"] = lease("a", "10.213.0.3", ports=[["127.0.0.2", 53, 53, "udp"]])
        assert book.publisher(asked) == found


def test_the_routes_of_this_host_are_networks():
    for text in leases.routed():
        address, _, length = text.partition("/")
        assert len(address.split(".")) == 4
        assert 0 < int(length) <= 32

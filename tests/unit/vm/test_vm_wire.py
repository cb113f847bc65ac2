import errno
import os

import pytest

from labkit.errors import LabkitError, MissingError, SpecError
from labkit.vm import wire
from labkit.vm.wire import Wire

TEXT = "bridge=labkit0 tap=lk0ad50002 address=10.213.0.2/24 gateway=10.213.0.1"


@pytest.mark.parametrize("text", [TEXT, f"{TEXT} files=/run/labkit/network/labkit0"])
def test_what_is_written_is_what_is_read(text):
    assert wire.read(text).text() == text


def test_two_guests_of_different_addresses_have_different_ones_of_ethernet():
    one, other = (Wire("b", "t", f"10.213.0.{number}/24", "10.213.0.1").mac() for number in (2, 254))
    assert (one, other) == ("02:00:0a:d5:00:02", "02:00:0a:d5:00:fe")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "labkit0",
        "bridge=labkit0",
        f"{TEXT} more=1",
        TEXT.replace("labkit0", "a/b"),
        TEXT.replace("labkit0", ""),
        TEXT.replace("lk0ad50002", "x" * 16),
        TEXT.replace("/24", ""),
        TEXT.replace("/24", "/33"),
        TEXT.replace("10.213.0.2", "10.213.2"),
        TEXT.replace("10.213.0.1", "$(reboot)"),
        TEXT.replace("10.213.0.2", "1;reboot"),
    ],
)
def test_what_is_no_wire_is_refused_by_its_place(text):
    with pytest.raises(SpecError, match=r"/annotations/dev\.labkit\.tap: .*write bridge=NAME"):
        wire.read(text)


@pytest.mark.parametrize(
    ("number", "about", "kind", "words"),
    [
        (errno.ENOENT, "/dev/net/tun", MissingError, "No such file or directory.*modprobe tun"),
        (errno.ENODEV, "/dev/net/tun", MissingError, "No such device.*modprobe tun"),
        (errno.EACCES, "/dev/net/tun", LabkitError, "Permission denied.*root"),
        (errno.EPERM, "lk0ad50002", LabkitError, "lk0ad50002: Operation not permitted.*root"),
        (errno.EBUSY, "lk0ad50002", LabkitError, "lk0ad50002: .*ip link delete lk0ad50002"),
        (errno.ENODEV, "labkit0", LabkitError, "labkit0: No such device.*makes the bridge"),
    ],
)
def test_what_the_kernel_refuses_is_one_line_with_a_hint(monkeypatch, number, about, kind, words):
    def refuse(*_):
        raise OSError(number, os.strerror(number), about)

    monkeypatch.setattr(wire.tap, "plugged", refuse)
    with pytest.raises(kind, match=words) as caught:
        wire.plugged(wire.read(TEXT))
    assert "\n" not in str(caught.value)

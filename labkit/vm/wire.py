"""The network of a sandbox in a VM: a tap of the host's on a bridge, and what the guest makes of its end.

A bundle has a network namespace and no word for what it is connected to; an annotation says it. The bridge is whoever
writes the bundle's to make, in the namespace that the bundle names, or in the host's own where it names none:

    dev.labkit.tap    bridge=labkit0 tap=lk0ad50002 address=10.213.0.2/24 gateway=10.213.0.1 files=/run/…/labkit0
"""

from __future__ import annotations

import errno
import os
import socket

from labkit.errors import LabkitError, MissingError, SpecError
from labkit.linux import tap

ANNOTATION = "dev.labkit.tap"
_POINTER = f"/annotations/{ANNOTATION}"
_FORM = "write bridge=NAME tap=NAME address=A.B.C.D/N gateway=A.B.C.D"
# IFNAMSIZ of linux/if.h, without the NUL character.
_LONGEST_NAME = 15


class Wire:
    """`tap` is its name on the host, `bridge` what it is plugged into; `address` and `gateway` are the guest's.

    `files` is a folder of the host, "" for none: what the bundle mounts of it the guest sees as it changes.
    """

    __slots__ = ("address", "bridge", "files", "gateway", "tap")

    def __init__(self, bridge: str, tap: str, address: str, gateway: str, files: str = "") -> None:
        self.bridge = bridge
        self.tap = tap
        self.address = address
        self.gateway = gateway
        self.files = files

    def text(self) -> str:
        """The annotation's value."""
        return " ".join(f"{name}={value}" for name in _NAMES if (value := getattr(self, name)))

    def mac(self) -> str:
        """An Ethernet address, local and its own: the interfaces of a bridge differ by it as their addresses do."""
        number = socket.inet_aton(self.address.partition("/")[0])
        return ":".join(f"{byte:02x}" for byte in (0x02, 0x00, *number))


_NAMES = ("bridge", "tap", "address", "gateway", "files")


def read(text: str) -> Wire:
    """The wire that an annotation's value says.  Raises SpecError."""
    words = dict(word.partition("=")[::2] for word in text.split(" "))
    if not set(_NAMES[:-1]) <= set(words) <= set(_NAMES):
        raise SpecError(_POINTER, f"is not understood: {text!r}", _FORM)
    for name in ("bridge", "tap"):
        if not _is_name(words[name]):
            raise SpecError(_POINTER, f"{words[name]!r} is no name of an interface", _FORM)
    address, _, length = words["address"].partition("/")
    if not (_is_address(address) and _is_address(words["gateway"]) and length.isdecimal() and int(length) <= 32):
        raise SpecError(_POINTER, f"{words['address']} by {words['gateway']} is no address and its gateway", _FORM)
    return Wire(**words)


def plugged(wire: Wire, namespace: str = "") -> int:
    """A descriptor of the wire's tap, new, on its bridge in that network namespace; the tap goes when it is closed.

    Raises MissingError where the host has no taps, LabkitError for one that cannot be made.
    """
    try:
        return tap.plugged(wire.tap, wire.bridge, namespace)
    except OSError as error:
        if error.filename == tap.DEVICE and error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            hint = "sudo modprobe tun; where labkit is in a container itself, give that the device /dev/net/tun"
            raise MissingError(f"{tap.DEVICE}, by which a VM has a network: {error.strerror}", hint) from error
        raise LabkitError(f"no network for the VM: {error.filename}: {error.strerror}", _hint(error)) from error


def _hint(error: OSError) -> str:
    if error.errno == errno.EBUSY:
        return f"the interface is another sandbox's, or: sudo ip link delete {error.filename}"
    if error.errno in (errno.EPERM, errno.EACCES):
        return "taps and bridges take root (CAP_NET_ADMIN)"
    return f"whoever wrote the bundle makes the bridge first: see {_POINTER}"


def _is_name(text: str) -> bool:
    """Whether it can be an interface's (dev_valid_name of the kernel's net/core/dev.c)."""
    return 0 < len(os.fsencode(text)) <= _LONGEST_NAME and text.isprintable() and not set(text) & set("/: ")


def _is_address(text: str) -> bool:
    try:
        return socket.inet_ntoa(socket.inet_aton(text)) == text
    except OSError:
        return False

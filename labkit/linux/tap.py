"""A tap: a network interface whose cable ends in a descriptor, which a virtual machine reads and writes frames by.

It is there as long as the descriptor is open in some process: whoever is killed, no interface is left.
Source: the kernel's Documentation/networking/tuntap.rst; netdevice(7).
"""

from __future__ import annotations

import fcntl
import os
import struct

from labkit.linux import namespaces, rtnetlink

DEVICE = "/dev/net/tun"
# linux/if_tun.h. Frames come without a word about their protocol, and with virtio's of checksums yet to be made.
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
# struct ifreq of linux/if.h: the name, and the flags in a union of 24 bytes.
_REQUEST = struct.Struct("16sH22x")


def plugged(name: str, into: str, namespace: str = "") -> int:
    """A descriptor of a new tap `name` on the bridge `into`, in the network namespace of the file `namespace` or ours.

    Raises OSError: EBUSY for a name that is taken, ENODEV for a bridge that is not there, with what it is about.
    """
    return namespaces.in_network(namespace, lambda: _plugged(name, into)) if namespace else _plugged(name, into)


def _plugged(name: str, into: str) -> int:
    descriptor = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        try:
            fcntl.ioctl(descriptor, TUNSETIFF, _REQUEST.pack(name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
        except OSError as error:
            raise OSError(error.errno, error.strerror, name) from error
        rtnetlink.plug(name, into)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
